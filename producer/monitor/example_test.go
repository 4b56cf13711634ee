package monitor_test

import (
	"fmt"
	"strings"

	"vedette/producer/monitor"
)

func ExampleParse() {
	file, err := monitor.Parse("monitors.yaml", []byte(`
recipients:
  oncall: ops@example.org
defaults: {interval: 1m, notify: oncall}
monitors:
  - name: website
    http: https://example.org
    interval: 30s
  - {name: database, tcp: "db.example.org:5432"}
`), monitor.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range file.Monitors {
		fmt.Println(m.Name, m.Target(), m.Interval, m.Notify)
	}
	// Output:
	// website https://example.org 30s [oncall]
	// database db.example.org:5432 1m0s [oncall]
}

// The error has every mistake, each with its place and often with a hint.
func ExampleParse_mistakes() {
	_, err := monitor.Parse("monitors.yaml", []byte(`monitors:
  - {name: website, http: "https://example.org", intervall: 30s, notify: []}
  - {name: website, tcp: db.example.org, notify: []}
`), monitor.Options{})
	fmt.Println(err)
	// Output:
	// monitors.yaml:2:50: monitors[0].intervall: found unknown key "intervall", expected one of name, http, tcp, tls, dns, icmp, grpc, websocket, heartbeat, group, labels, depends_on, … (29 in all)
	//     - {name: website, http: "https://example.org", intervall: 30s, notify: []}
	//                                                    ^
	//   hint: did you mean "interval"?
	// monitors.yaml:3:12: monitors[1].name: found "website" again, expected a name of its own, unlike the one in line 2
	//     - {name: website, tcp: db.example.org, notify: []}
	//              ^
	// monitors.yaml:3:26: monitors[1].tcp: found "db.example.org", expected host:port with a port from 1 to 65535
	//     - {name: website, tcp: db.example.org, notify: []}
	//                            ^
}

func ExampleKeys() {
	for _, key := range monitor.Keys() {
		if strings.HasPrefix(key.Path, "server.") {
			fmt.Printf("%s (%s, default %q): %s\n", key.Path, key.Type, key.Default, key.Meaning)
		}
	}
	// Output:
	// server.data (text, default "vedette-data"): Data directory, relative to the working directory
	// server.http (text, default "127.0.0.1:8080"): Address of the status page, /healthz and /readyz
	// server.nats (text, default "127.0.0.1:4222"): Address of the embedded NATS server
	// server.grace (duration, default "20s"): How long running jobs may finish when the process stops
	// server.replicas (number, default ""): Copies of each stream in a cluster: 1, 3 or 5; without it, the present number
}

// Package check runs checks: a probe is a function from a spec and a context to
// a result, and a failure is a value.
//
// A result is down only when the target is down. Failures on this side, such as
// a panic in a probe, a lack of sockets or a stopping process, give the health
// unknown with class internal.
//
// # Secrets
//
// Texts that a probe sends may contain references to secrets, see
// vedette/pipeline/job. Each check looks them up, inserts them
// (percent-encoded in URLs, verbatim elsewhere), and removes them from its
// result in all forms in which a server may echo them. Redirects to other hosts
// do not get them. Expectations cannot use secrets.
//
// # Facts
//
// Expectations are CEL expressions over the facts from their probe:
//
//	all        latency       duration              duration of the whole check
//	all        phases        map(string, duration) dns connect tls processing transfer
//	all        ip            string                last dialled address
//	http       status        int                   status of the last response
//	http       headers       map(string, string)   names in lower case, values joined by ", "
//	http       body          string                the part that was read
//	http       json          dyn                   the body, if it is JSON; otherwise missing
//	http       http_version  string                "1.1" or "2"
//	http       certificate   Certificate           from the last TLS connection; otherwise missing
//	tcp        captures      map(string, string)   captured groups of the dialogue's expressions
//	tcp        certificate   Certificate           from a TLS connection; otherwise missing
//	tls        certificate   Certificate
//	tls        tls_version   string                "TLS 1.2" or "TLS 1.3"
//	dns        rcode         string                "NOERROR", "NXDOMAIN", …
//	dns        answers       list(string)          data of the answers, such as "192.0.2.1"
//	dns        authority     list(string)          records in the authority section
//	dns        ttl           int                   lowest TTL among the answers, in seconds; otherwise missing
//	dns        authoritative bool                  whether the server is authoritative
//	icmp       sent          int                   echo requests
//	icmp       received      int                   echo replies
//	icmp       loss          double                lost share, 0 to 1
//	icmp       rtt           map(string, duration) min avg max; missing without a reply
//	grpc       serving       string                "SERVING", "NOT_SERVING", …
//	grpc       certificate   Certificate           from a TLS connection; otherwise missing
//	websocket  status        int                   status of the upgrade response
//	websocket  message       string                the expected message; otherwise missing
//	websocket  certificate   Certificate           from a TLS connection; otherwise missing
//	heartbeat  silence       duration              time since the job last succeeded
//	heartbeat  exit_code     int                   from the last ping, 0 without one
//	heartbeat  output        string                the end of the job's output
//	heartbeat  running       bool                  whether the job has started and not ended
//
// A Certificate has subject, issuer (string), sans (list(string)), not_after
// (timestamp, the earliest in the verified chain) and expires_in (duration).
//
// An expectation fails if a fact is missing or has another type than the value
// it is compared with, also in negated comparisons: json.a != "x" fails if there
// is no a, and if a is a number. Only has(json.a) tests for existence. As always
// in CEL, || and && ignore a failing side if the other one decides.
package check

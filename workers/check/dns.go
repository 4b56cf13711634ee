package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/miekg/dns"

	"vedette/pipeline/job"
)

// The protocols for DNS queries.
const (
	protocolUDP = "udp"
	protocolTCP = "tcp"
	protocolTLS = "tls" // RFC 7858
)

// probeDNS queries a DNS server. Up means NOERROR with at least one answer.
func (c *Checker) probeDNS(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	answer, err := c.queryDNS(ctx, spec.DNS, &t)
	result := dnsResult(ctx, spec, answer, err, &t)
	t.addTo(&result)
	if result.Health != job.Up {
		return result, nil
	}
	return result, dnsAnswerFacts(answer)
}

func dnsResult(ctx context.Context, spec job.Spec, answer *dns.Msg, err error, t *timing) job.ProbeResult {
	switch {
	case err != nil:
		return failureResult(ctx, err, t, timeoutOf(spec))
	case len(spec.Expect) > 0, answer.Rcode == dns.RcodeSuccess && len(answer.Answer) > 0:
		return job.ProbeResult{Health: job.Up}
	case answer.Rcode != dns.RcodeSuccess:
		return downResult(job.ClassStatus, "the server answered "+rcode(answer))
	default:
		return downResult(job.ClassStatus, "the name has no record of the type")
	}
}

func rcode(m *dns.Msg) string {
	if name, ok := dns.RcodeToString[m.Rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", m.Rcode)
}

func dnsFacts() map[string]*cel.Type {
	return map[string]*cel.Type{
		"rcode": cel.StringType, "answers": cel.ListType(cel.StringType), "authority": cel.ListType(cel.StringType),
		"ttl": cel.IntType, "authoritative": cel.BoolType,
	}
}

func dnsAnswerFacts(m *dns.Msg) Facts {
	answers, authority := []string{}, []string{}
	least := uint32(math.MaxUint32)
	for _, record := range m.Answer {
		answers = append(answers, recordData(record))
		least = min(least, record.Header().Ttl)
	}
	for _, record := range m.Ns {
		authority = append(authority, strings.Join(strings.Fields(record.String()), " "))
	}
	facts := Facts{"rcode": rcode(m), "authoritative": m.Authoritative, "answers": answers, "authority": authority}
	if len(answers) > 0 {
		facts["ttl"] = int(least)
	}
	return facts
}

// recordData returns the data in a record, without name, TTL, class and type.
func recordData(record dns.RR) string {
	return strings.TrimSpace(strings.TrimPrefix(record.String(), record.Header().String()))
}

// queryDNS sends the query over the protocol in the spec. It repeats a query
// over TCP after a truncated UDP response (RFC 7766).
func (c *Checker) queryDNS(ctx context.Context, d *job.DNS, t *timing) (*dns.Msg, error) {
	server, err := dnsServer(d)
	if err != nil {
		return nil, err
	}
	protocol := d.Protocol
	if protocol == "" {
		protocol = protocolUDP
	}
	answer, err := c.queryDNSOver(ctx, protocol, server, d, t)
	if err == nil && answer.Truncated && protocol == protocolUDP {
		return c.queryDNSOver(ctx, protocolTCP, server, d, t)
	}
	return answer, err
}

func (c *Checker) queryDNSOver(ctx context.Context, protocol, server string, d *job.DNS, t *timing) (*dns.Msg, error) {
	network := protocolTCP
	if protocol == protocolUDP {
		network = protocolUDP
	}
	dialled, err := c.dial(ctx, network, server, d.Network, t)
	if err != nil {
		return nil, err
	}
	conn := withContext(ctx, dialled)
	defer conn.Close()
	if protocol == protocolTLS {
		host, _, _ := net.SplitHostPort(server) // valid, since it was dialled
		secured, err := c.handshake(ctx, conn, host, d.TLS, handshakeOffer{}, t)
		if err != nil {
			return nil, err
		}
		conn = secured
	}
	t.enter(inProcessing)
	question := newQuestion(d)
	talk := &dns.Conn{Conn: conn, UDPSize: dns.DefaultMsgSize}
	if network == protocolUDP {
		talk.Conn = dialled // the library recognizes UDP by its type
	}
	if err := talk.WriteMsg(question); err != nil {
		return nil, err
	}
	answer, err := receiveAnswer(talk, question)
	if err == nil {
		t.done()
	}
	return answer, err
}

// receiveAnswer reads until the response to the query arrives. Any host can
// send UDP packets, so others are ignored.
func receiveAnswer(talk *dns.Conn, question *dns.Msg) (*dns.Msg, error) {
	for {
		answer, err := talk.ReadMsg()
		if err != nil {
			if answer != nil && answer.Id != question.Id {
				continue
			}
			return nil, err
		}
		if answer.Id == question.Id && answer.Response && sameQuestion(answer, question) {
			return answer, nil
		}
	}
}

// sameQuestion compares as in RFC 1035. A server may omit the question in a
// refusal.
func sameQuestion(answer, question *dns.Msg) bool {
	if len(answer.Question) == 0 {
		return answer.Rcode != dns.RcodeSuccess
	}
	a, q := answer.Question[0], question.Question[0]
	return a.Qtype == q.Qtype && a.Qclass == q.Qclass && strings.EqualFold(a.Name, q.Name)
}

func newQuestion(d *job.DNS) *dns.Msg {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.RecursionDesired = d.Recursion == nil || *d.Recursion
	m.Question = []dns.Question{{Name: dns.Fqdn(d.Name), Qtype: recordType(d), Qclass: recordClass(d)}}
	m.SetEdns0(dns.DefaultMsgSize, false)
	return m
}

func recordType(d *job.DNS) uint16 {
	if d.Type == "" {
		return dns.TypeA
	}
	return dns.StringToType[strings.ToUpper(d.Type)]
}

func recordClass(d *job.DNS) uint16 {
	if d.Class == "" {
		return dns.ClassINET
	}
	return dns.StringToClass[strings.ToUpper(d.Class)]
}

// resolvConf lists the system's resolvers.
const resolvConf = "/etc/resolv.conf"

// dnsServer returns the host:port of the server.
func dnsServer(d *job.DNS) (string, error) {
	port := "53"
	if d.Protocol == protocolTLS {
		port = "853"
	}
	if d.Server == "" {
		system, err := dns.ClientConfigFromFile(resolvConf)
		if err == nil && len(system.Servers) == 0 {
			err = errors.New("found no server")
		}
		if err != nil {
			return "", newLocalError("read system resolvers", err)
		}
		return net.JoinHostPort(system.Servers[0], port), nil
	}
	if _, _, err := net.SplitHostPort(d.Server); err == nil {
		return d.Server, nil
	}
	return net.JoinHostPort(strings.Trim(d.Server, "[]"), port), nil
}

func validateDNS(spec job.Spec, p *problems) {
	d := spec.DNS
	if _, ok := dns.IsDomainName(d.Name); !ok || d.Name == "" {
		p.add("name", fmt.Sprintf("name %q", d.Name), "a domain name")
	}
	if d.Type != "" && dns.StringToType[strings.ToUpper(d.Type)] == 0 {
		p.add("type", fmt.Sprintf("type %q", d.Type), "a record type such as A, AAAA or MX")
	}
	if _, ok := dns.StringToClass[strings.ToUpper(d.Class)]; !ok && d.Class != "" {
		p.add("class", fmt.Sprintf("class %q", d.Class), "IN, CH or HS")
	}
	if !slices.Contains([]string{"", protocolUDP, protocolTCP, protocolTLS}, d.Protocol) {
		p.add("protocol", fmt.Sprintf("protocol %q", d.Protocol), "udp, tcp or tls")
	}
	if server, err := dnsServer(d); d.Server != "" && err == nil {
		p.check("server", checkAddress(server))
	}
	validateNetwork(d.Network, p)
	validateNestedTLS(d.TLS, p)
}

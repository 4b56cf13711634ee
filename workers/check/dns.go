package check

import (
	"cmp"
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
func probeDNS(ctx context.Context, a *attempt) (Facts, error) {
	answer, err := a.queryDNS(ctx, a.spec.DNS)
	switch {
	case err != nil:
		return nil, err
	case len(a.spec.Expect) > 0, answer.Rcode == dns.RcodeSuccess && len(answer.Answer) > 0:
		return dnsAnswerFacts(answer), nil
	case answer.Rcode != dns.RcodeSuccess:
		return nil, failed(job.ClassStatus, "the server answered %s", rcode(answer))
	default:
		return nil, failed(job.ClassStatus, "the name has no record of the type")
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
func (a *attempt) queryDNS(ctx context.Context, d *job.DNS) (*dns.Msg, error) {
	server, err := dnsServer(d)
	if err != nil {
		return nil, err
	}
	protocol := cmp.Or(d.Protocol, protocolUDP)
	answer, err := a.queryDNSOver(ctx, protocol, server, d)
	if err == nil && answer.Truncated && protocol == protocolUDP {
		return a.queryDNSOver(ctx, protocolTCP, server, d)
	}
	return answer, err
}

func (a *attempt) queryDNSOver(ctx context.Context, protocol, server string, d *job.DNS) (*dns.Msg, error) {
	network := protocolTCP
	if protocol == protocolUDP {
		network = protocolUDP
	}
	dialled, err := a.dial(ctx, network, server, d.Network)
	if err != nil {
		return nil, err
	}
	conn := withContext(ctx, dialled)
	defer conn.Close()
	if protocol == protocolTLS {
		secured, err := a.handshake(ctx, conn, tlsOffer{address: server, options: d.TLS})
		if err != nil {
			return nil, err
		}
		conn = secured
	}
	a.enter(inProcessing)
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
		a.done()
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
	recordType, class := strings.ToUpper(cmp.Or(d.Type, "A")), strings.ToUpper(cmp.Or(d.Class, "IN"))
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.RecursionDesired = d.Recursion == nil || *d.Recursion
	m.Question = []dns.Question{{Name: dns.Fqdn(d.Name), Qtype: dns.StringToType[recordType], Qclass: dns.StringToClass[class]}}
	m.SetEdns0(dns.DefaultMsgSize, false)
	return m
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
	_, isName := dns.IsDomainName(d.Name)
	p.require(isName && d.Name != "", "name", d.Name, "a domain name")
	p.require(d.Type == "" || dns.StringToType[strings.ToUpper(d.Type)] != 0, "type", d.Type, "a record type such as A, AAAA or MX")
	_, isClass := dns.StringToClass[strings.ToUpper(d.Class)]
	p.require(isClass || d.Class == "", "class", d.Class, "IN, CH or HS")
	p.require(slices.Contains([]string{"", protocolUDP, protocolTCP, protocolTLS}, d.Protocol), "protocol", d.Protocol, "udp, tcp or tls")
	if server, err := dnsServer(d); d.Server != "" && err == nil {
		p.check("server", checkAddress(server))
	}
	validateNetwork(d.Network, p)
	validateNestedTLS(d.TLS, p)
}

package notify

import (
	"slices"

	"vedette/pipeline/job"
)

// tag is what stands in the brackets of a subject: the change that a line of a
// mail reports.
type tag string

// The tags, the worst first.
const (
	tagDown        tag = "DOWN"
	tagNoData      tag = "NO DATA"
	tagFlapping    tag = "FLAPPING"
	tagDegraded    tag = "DEGRADED"
	tagCertificate tag = "CERTIFICATE"
	tagStable      tag = "STABLE"
	tagRemoved     tag = "REMOVED"
	tagUp          tag = "UP"
	tagOK          tag = "OK"
	tagDataAgain   tag = "DATA AGAIN"
)

// weight is smaller for what comes first.
func (t tag) weight() int {
	return slices.Index([]tag{
		tagDown, tagNoData, tagFlapping, tagDegraded, tagCertificate, tagStable, tagRemoved, tagUp, tagOK, tagDataAgain,
	}, t)
}

// severity is for the colours of a template.
func (t tag) severity() string {
	switch t {
	case tagDown:
		return "critical"
	case tagNoData, tagFlapping, tagDegraded, tagCertificate:
		return "warning"
	case tagUp, tagOK, tagStable, tagDataAgain:
		return "ok"
	case tagRemoved:
		return "info"
	default:
		return "info"
	}
}

// tag is the change that a line reports.
func (l *Line) tag() tag {
	ended := l.Resolution != nil
	if ended && l.Resolution.Kind == job.EventRemoved {
		return tagRemoved
	}
	switch l.Incident.Condition {
	case job.ConditionDown:
		return either(ended, tagUp, tagDown)
	case job.ConditionDegraded:
		return either(ended, tagOK, tagDegraded)
	case job.ConditionFlapping:
		return either(ended, tagStable, tagFlapping)
	case job.ConditionNoData:
		return either(ended, tagDataAgain, tagNoData)
	case job.ConditionCertificate:
		return tagCertificate
	default:
		return tag(l.Incident.Condition)
	}
}

func either(first bool, a, b tag) tag {
	if first {
		return a
	}
	return b
}

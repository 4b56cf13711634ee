package notify

import (
	"slices"

	"vedette/pipeline/job"
)

// tag is the text in the brackets of a subject: the change that a line reports.
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

// weight orders lines, the worst first.
func (t tag) weight() int {
	return slices.Index([]tag{
		tagDown, tagNoData, tagFlapping, tagDegraded, tagCertificate, tagStable, tagRemoved, tagUp, tagOK, tagDataAgain,
	}, t)
}

// present is higher the more a tag says about a monitor's present health.
func (t tag) present() int {
	return slices.Index([]tag{tagUp, tagStable, tagDown, tagFlapping, tagRemoved}, t)
}

// severity selects a colour in templates.
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

// title heads a section of a mail.
func (t tag) title() string {
	switch t {
	case tagDown:
		return "Down"
	case tagUp:
		return "Up again"
	case tagRemoved:
		return "Removed"
	case tagDegraded:
		return "Degraded"
	case tagOK:
		return "No longer degraded"
	case tagFlapping:
		return "Flapping"
	case tagStable:
		return "Stable again"
	case tagNoData:
		return "No data"
	case tagDataAgain:
		return "Data again"
	case tagCertificate:
		return "Certificates that expire soon"
	default:
		return string(t)
	}
}

package notify

import (
	"slices"

	"vedette/pipeline/job"
)

// tag is the text in the brackets of a subject: the change that a line reports.
type tag string

// The tags.
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
	// The next two are about what the recipient did not see begin.
	tagStillDown   tag = "STILL DOWN"
	tagStillNoData tag = "STILL NO DATA"
	tagPaused      tag = "PAUSED"
)

// tag is the change that a line reports.
func (l *Line) tag() tag {
	var begun, ended tag
	switch l.Incident.Condition {
	case job.ConditionDown:
		begun, ended = tagDown, tagUp
	case job.ConditionDegraded:
		begun, ended = tagDegraded, tagOK
	case job.ConditionFlapping:
		begun, ended = tagFlapping, tagStable
	case job.ConditionNoData:
		begun, ended = tagNoData, tagDataAgain
	case job.ConditionCertificate:
		begun, ended = tagCertificate, tagCertificate
	default:
		begun, ended = tag(l.Incident.Condition), tag(l.Incident.Condition)
	}
	switch {
	case l.Paused:
		return tagPaused
	case l.Resolution == nil && l.Lasting && begun == tagDown:
		return tagStillDown
	case l.Resolution == nil && l.Lasting && begun == tagNoData:
		return tagStillNoData
	case l.Resolution == nil:
		return begun
	case l.Resolution.Kind == job.EventRemoved:
		return tagRemoved
	default:
		return ended
	}
}

// tagText is how a tag is presented.
type tagText struct {
	tag tag
	// title heads a section of a mail, severity selects a colour in templates.
	title, severity string
}

// tagTexts lists the tags, the worst first.
func tagTexts() []tagText {
	return []tagText{
		{tagDown, "Down", "critical"},
		{tagStillDown, "Still down", "critical"},
		{tagNoData, "No data", "warning"},
		{tagStillNoData, "Still no data", "warning"},
		{tagFlapping, "Flapping", "warning"},
		{tagDegraded, "Degraded", "warning"},
		{tagCertificate, "Certificates that expire soon", "warning"},
		{tagStable, "Stable again", "ok"},
		{tagPaused, "Paused", "info"},
		{tagRemoved, "Removed", "info"},
		{tagUp, "Up again", "ok"},
		{tagOK, "No longer degraded", "ok"},
		{tagDataAgain, "Data again", "ok"},
	}
}

// weight orders lines, the worst first.
func (t tag) weight() int {
	return slices.IndexFunc(tagTexts(), func(known tagText) bool { return known.tag == t })
}

func (t tag) presentation() tagText {
	if at := t.weight(); at >= 0 {
		return tagTexts()[at]
	}
	return tagText{tag: t, title: string(t), severity: "info"} // a condition from a newer version
}

// present is higher the more a tag says about a monitor's present health.
func (t tag) present() int {
	return slices.Index([]tag{tagUp, tagStable, tagDown, tagStillDown, tagFlapping, tagPaused, tagRemoved}, t)
}

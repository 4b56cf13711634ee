// Package topology is the table of everything an installation has on the server:
// streams, buckets, consumers, subjects and their limits. No other package has
// their names.
package topology

import (
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// Names maps the names in this package to those on the server. Several
// installations may share a NATS account when their prefixes differ.
type Names struct {
	// Prefix is the first token of each subject, lower case.
	Prefix string
}

// Validate checks the prefix.
func (n Names) Validate() error {
	if !job.ValidName(n.Prefix) || strings.Contains(n.Prefix, ".") || strings.ToLower(n.Prefix) != n.Prefix {
		return fmt.Errorf("check prefix: found %q, expected lower-case letters, digits, _ and -", n.Prefix)
	}
	return nil
}

// Subject joins tokens to a subject with the prefix.
func (n Names) Subject(tokens ...string) string {
	return n.Prefix + "." + strings.Join(tokens, ".")
}

// CutPrefix reverses [Names.Subject].
func (n Names) CutPrefix(subject string) string { return strings.TrimPrefix(subject, n.Prefix+".") }

// Stream returns the server's name for a stream.
func (n Names) Stream(s Stream) string {
	if bucket, ok := strings.CutPrefix(string(s), kv); ok {
		return kv + n.Bucket(Bucket(bucket))
	}
	return n.upper() + string(s)
}

// CutStream reverses [Names.Stream].
func (n Names) CutStream(name string) Stream {
	if bucket, ok := strings.CutPrefix(name, kv+n.upper()); ok {
		return Stream(kv + bucket)
	}
	return Stream(strings.TrimPrefix(name, n.upper()))
}

// Bucket returns the server's name for a bucket.
func (n Names) Bucket(b Bucket) string { return n.upper() + string(b) }

// Key returns the subject under which the server stores a key.
func (n Names) Key(b Bucket, key string) string { return "$KV." + n.Bucket(b) + "." + key }

// CutKey reverses [Names.Key], and reports whether the subject has a key in the
// bucket.
func (n Names) CutKey(b Bucket, subject string) (string, bool) {
	return strings.CutPrefix(subject, n.Key(b, ""))
}

func (n Names) upper() string { return strings.ToUpper(n.Prefix) + "_" }

// kv begins the names of the streams that back buckets.
const kv = "KV_"

package job

import (
	"crypto/sha256"
	"encoding/base32"
	"hash/fnv"
	"strings"
	"time"
)

// idAlphabet gives ids that are valid in subjects, keys and Message-IDs.
var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding) //nolint:gochecknoglobals // a constant in all but syntax

// DeriveID returns an id with 20 letters and digits, derived from its parts:
// 100 bits of their SHA-256, so that two different lists do not collide.
func DeriveID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return idAlphabet.EncodeToString(sum[:])[:20]
}

// IncidentID returns the id of a monitor's incident from its condition and the
// slot at which it began.
func IncidentID(monitor string, condition Condition, began time.Time) string {
	return DeriveID("incident", monitor, string(condition), began.UTC().Format(time.RFC3339))
}

// Shard returns the shard of a name, from 0 to n-1. All processes must agree on
// it, so it uses FNV-1a and not the runtime's seeded hash.
func Shard(name string, n int) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))      // never fails, says the hash.Hash contract
	return int(hash.Sum32() % uint32(n)) //nolint:gosec // n is a small positive number
}

// maxToken limits names and ids, which become parts of subjects and file names.
const maxToken = 128

// ValidName reports whether s may name a monitor, a recipient or a location, or
// be the id of a job: 1 to 128 of A-Z a-z 0-9 _ - and single dots in between.
func ValidName(s string) bool {
	if s == "" || len(s) > maxToken || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

package job

import (
	"encoding/json"
	"errors"
)

// Wire format versions. A newer version may add fields; it never changes or
// removes existing ones. A message carries the oldest version that can express
// it, so that programs of neighbouring versions understand each other.
const (
	// Version is the version that this program writes.
	Version = 1
	// Newest is the newest version that this program reads. Code that writes a
	// field or an enumeration value added after version 1 must set V itself.
	Newest = 1
)

// ErrNewer is returned by [Decode] for a message whose version is newer than
// [Newest]: this program could misunderstand it. A handler that returns ErrNewer
// leaves the job to a newer process.
var ErrNewer = errors.New("message is of a newer version")

// Newer reports whether a message has a version that this program does not read.
func Newer(data []byte) bool {
	version, err := peekVersion(data)
	return err == nil && version > Newest
}

// peekVersion reads only the version. The error means that data is not JSON.
func peekVersion(data []byte) (int, error) {
	var head struct {
		V int `json:"v"`
	}
	err := json.Unmarshal(data, &head)
	return head.V, err
}

package topology

import "strconv"

// Layout is the version for everything in this package. It goes up with each
// change, so that a process can recognise what a newer program has configured
// and leave it alone: during an upgrade both are started again and again, and
// the older one must not undo the newer one's work.
const Layout = 1

// layoutKey is the layout's key in metadata.
const layoutKey = "vedette-layout"

// Metadata says which layout a stream, bucket or consumer was configured by.
func Metadata() map[string]string { return map[string]string{layoutKey: strconv.Itoa(Layout)} }

// LayoutOf is the layout in metadata, 0 when there is none.
func LayoutOf(metadata map[string]string) int {
	layout, _ := strconv.Atoi(metadata[layoutKey])
	return layout
}

// IsNewer reports whether a newer program wrote the metadata.
func IsNewer(metadata map[string]string) bool { return LayoutOf(metadata) > Layout }

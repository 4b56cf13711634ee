package job

// Problem is a mistake in a definition: what was found, and what was expected in
// its place.
type Problem struct { //nolint:errname // mostly a value in lists
	// Path leads to the value, in the words of files and messages: "expect[1]",
	// "http.url", "tcp.dialogue[2].expect". It is empty for the whole, and in an
	// error whose caller knows the path.
	Path string
	// Found and Expected show no secret.
	Found, Expected string
}

// Error returns "found …, expected …".
func (p Problem) Error() string { return "found " + p.Found + ", expected " + p.Expected }

package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline"
)

func TestLoginsComeFromFlagsURLsAndVariables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags pipeline.Login
		url   string
		env   map[string]string
		want  pipeline.Login
		at    string
	}{
		"nothing":                      {url: "nats://h:1", at: "nats://h:1"},
		"a user and password":          {url: "nats://v:p@h:1", env: map[string]string{"NATS_PASSWORD": "x", "NATS_TOKEN": "y"}, at: "nats://v:p@h:1"},
		"a token":                      {url: "nats://token@h:1", at: "nats://token@h:1"},
		"a user, the password in file": {flags: pipeline.Login{PasswordFile: "f"}, url: "tls://v@a:1,tls://v@b:1", want: pipeline.Login{User: "v", PasswordFile: "f"}, at: "tls://a:1,tls://b:1"},
		"a user, the password in env":  {url: "v@h:1", env: map[string]string{"NATS_PASSWORD": "x"}, want: pipeline.Login{User: "v", Password: "x"}, at: "nats://h:1"},
		"user and password in env":     {url: "h:1", env: map[string]string{"NATS_USER": "v", "NATS_PASSWORD": "x"}, want: pipeline.Login{User: "v", Password: "x"}, at: "h:1"},
		"credentials in env":           {url: "nats://h:1", env: map[string]string{"NATS_CREDS": "c", "NATS_CA": "a"}, want: pipeline.Login{CredsFile: "c", CAFile: "a"}, at: "nats://h:1"},
		"flags before env":             {flags: pipeline.Login{SeedFile: "s", CAFile: "b"}, url: "nats://h:1", env: map[string]string{"NATS_CREDS": "c", "NATS_CA": "a"}, want: pipeline.Login{SeedFile: "s", CAFile: "b"}, at: "nats://h:1"},
		"a certificate in env":         {url: "nats://h:1", env: map[string]string{"NATS_CERT": "c", "NATS_KEY": "k"}, want: pipeline.Login{CertFile: "c", KeyFile: "k"}, at: "nats://h:1"},
	} {
		l := Login{c.flags}
		at, got := l.forURL(c.url, func(name string) string { return c.env[name] })
		if diff := cmp.Diff(c.want, got); diff != "" || at != c.at {
			t.Errorf("%s: got %s, want %s (-want +got):\n%s", name, at, c.at, diff)
		}
	}
}

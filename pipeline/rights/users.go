package rights

import (
	"cmp"
	"fmt"
	"strings"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// User is a user on a shared server, with the rights for a role.
type User struct {
	Role Role
	// Location is for check workers; empty means the default one.
	Location string
	// Password stands literally in the configuration: a quoted text, a hash, or a
	// variable such as $PASSWORD.
	Password string
}

// ServerConfig writes users as a block for the nats-server configuration file.
// Each has the permissions for its role, and an inbox with its own name.
func ServerConfig(names topology.Names, users []User) string {
	var b strings.Builder
	b.WriteString("authorization {\n  users = [\n")
	for _, user := range users {
		name := UserName(names, user)
		p := Of(names, user.Role, name, location(user))
		fmt.Fprintf(&b, "    {\n      user: %q\n      password: %s\n      permissions: {\n        publish: {\n          allow: %s\n",
			name, user.Password, block(p.Publish))
		if len(p.Deny) > 0 {
			fmt.Fprintf(&b, "          deny: %s\n", block(p.Deny))
		}
		fmt.Fprintf(&b, "        }\n        subscribe: { allow: %s }\n      }\n    }\n", block(p.Subscribe))
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

func location(user User) string { return cmp.Or(user.Location, job.DefaultLocation) }

// UserName names a user and its inbox by the prefix, the role, and for a check
// worker outside the default location by its location.
func UserName(names topology.Names, user User) string {
	name := names.Prefix + "-" + strings.ReplaceAll(string(user.Role), "_", "-")
	if user.Role == CheckWorker && location(user) != job.DefaultLocation {
		name += "-" + user.Location
	}
	return name
}

// PasswordVariable is the server's environment variable that may hold a user's
// password.
func PasswordVariable(names topology.Names, user User) string {
	return strings.ToUpper(strings.ReplaceAll(UserName(names, user)+"_PASSWORD", "-", "_"))
}

func block(subjects []string) string {
	lines := make([]string, len(subjects))
	for i, subject := range subjects {
		lines[i] = "            " + `"` + subject + `"`
	}
	return "[\n" + strings.Join(lines, "\n") + "\n          ]"
}

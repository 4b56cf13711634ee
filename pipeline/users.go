package pipeline

import (
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// User is a user of a shared server, with the rights of a role.
type User struct {
	Role Role
	// Location is where a check worker checks; empty means the default one. Other
	// roles have none.
	Location string
	// Password is as the server's configuration shall have it: quoted if it is a
	// text, or its hash, or a variable such as $PASSWORD.
	Password string
}

// ServerConfig writes users as a block of a nats-server configuration file. Each
// may do what its role needs and nothing else, and has an inbox of its name's.
func (n Names) ServerConfig(users []User) string {
	var b strings.Builder
	b.WriteString("authorization {\n  users = [\n")
	for _, user := range users {
		name := n.UserName(user)
		p := n.Permissions(user.Role, name, location(user))
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

func location(user User) string {
	if user.Location == "" {
		return job.DefaultLocation
	}
	return user.Location
}

// UserName is the name of a user, and of its inbox: the prefix and the role, and
// for a check worker elsewhere its location.
func (n Names) UserName(user User) string {
	name := n.Prefix + "-" + strings.ReplaceAll(string(user.Role), "_", "-")
	if user.Role == RoleCheckWorker && location(user) != job.DefaultLocation {
		name += "-" + user.Location
	}
	return name
}

// PasswordVariable is the variable of the server's environment that holds the
// password of a user, for those who let it stand there.
func (n Names) PasswordVariable(user User) string {
	return strings.ToUpper(strings.NewReplacer("-", "_").Replace(n.Prefix + "_" + strings.TrimPrefix(n.UserName(user), n.Prefix+"-") + "_PASSWORD"))
}

func block(subjects []string) string {
	lines := make([]string, len(subjects))
	for i, subject := range subjects {
		lines[i] = "            " + `"` + subject + `"`
	}
	return "[\n" + strings.Join(lines, "\n") + "\n          ]"
}

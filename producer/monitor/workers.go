package monitor

// maxWorkers is the most that can run at once in a process.
const maxWorkers = 1 << 16

func (r *reader) readWorkers(root mapping) Workers {
	var workers Workers
	v, ok := r.section(root, "workers")
	if !ok {
		return workers
	}
	m, ok := r.mapping(v, "fields such as checks", "checks", "requests", "calls", "evaluations", "mails")
	if !ok {
		return workers
	}
	for _, field := range []struct {
		key   string
		limit *int
	}{
		{"checks", &workers.Checks},
		{"requests", &workers.Requests},
		{"calls", &workers.Calls},
		{"evaluations", &workers.Evaluations},
		{"mails", &workers.Mails},
	} {
		if v, ok := r.get(m, field.key); ok {
			*field.limit, _ = r.integer(v, 1, maxWorkers)
		}
	}
	return workers
}

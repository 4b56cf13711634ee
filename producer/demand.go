package producer

// demand is how many slots are due in a second at each location, those by cron
// not counted.
func (t *table) demand() map[string]float64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	due := map[string]float64{}
	for i := range t.terms {
		if own := &t.terms[i]; !own.paused && own.interval > 0 {
			due[own.location] += float64(t.users[i]) / own.interval.Seconds()
		}
	}
	return due
}

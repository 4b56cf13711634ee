package soak

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// producers is how many jobs are enqueued at once.
const producers = 32

// produce calls enqueue with the numbers from 0 on, each after next, until next
// returns false. An enqueue in progress is waited for: its job may be stored
// already.
func produce(ctx context.Context, next func(n int) bool, enqueue func(n int) error) error {
	numbers := make(chan int)
	group, enqueuing := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(numbers)
		for n := 0; next(n); n++ {
			select {
			case numbers <- n:
			case <-enqueuing.Done():
				return nil
			}
		}
		return nil
	})
	for range producers {
		group.Go(func() error {
			for n := range numbers {
				if err := enqueue(n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

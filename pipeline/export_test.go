package pipeline

import "context"

// DeleteConsumer plays the operator who deletes a consumer by hand.
func DeleteConsumer(ctx context.Context, p *Pipeline, stream Stream, name string) error {
	return p.js.DeleteConsumer(ctx, p.names.Stream(stream), name)
}

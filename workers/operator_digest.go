package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// The digest of pending notices is stored under one key, which any process
// changes by compare-and-swap, and a server timer says when it is due. So there
// is one mail however many processes report something, and no notice is lost
// when a process dies.
const digestKey = "operators"

// collect adds a notice to the digest. Without operators it does nothing; the
// stream and the log have the notice.
func (m *maintainJobs) collect(ctx context.Context, n job.Notice) error {
	if len(m.addresses(ctx)) == 0 {
		return nil
	}
	return m.updateDigest(ctx, func(before job.Digest) (job.Digest, bool) {
		return notify.Collect(before, n, time.Now())
	})
}

// updateDigest changes the digest. It sets the timer when that is new or may be
// missing: a process may die between the two steps.
func (m *maintainJobs) updateDigest(ctx context.Context, step func(job.Digest) (job.Digest, bool)) error {
	var before job.Digest
	after, changed, err := pipeline.Update(ctx, m.digests, digestKey, decodeDigest, func(found job.Digest) (job.Digest, bool) {
		before = found
		return step(found)
	})
	if err != nil {
		return fmt.Errorf("update digest: %w", err)
	}
	if after.Due.IsZero() || changed && after.Due.Equal(before.Due) {
		return nil
	}
	return m.p.SetTimer(ctx, topology.TimerDigest, digestKey, after.Due, nil)
}

// decodeDigest makes an empty digest from one that cannot be read, which the
// next write replaces, unless that is from a newer version.
func decodeDigest(value []byte) (job.Digest, error) {
	digest, err := job.Decode[job.Digest](value)
	if errors.Is(err, job.ErrNewer) {
		return job.Digest{}, fmt.Errorf("read digest: %w", err)
	}
	if err != nil {
		return job.Digest{}, nil //nolint:nilerr // see above
	}
	return digest, nil
}

// sendDigest mails the digest to the operators, if it is due. Its mails have ids
// derived from the due time, so that a repeated call sends no second mail.
func (m *maintainJobs) sendDigest(ctx context.Context, _ pipeline.Delivery) error {
	digest, _, err := pipeline.Read(ctx, m.digests, digestKey, decodeDigest)
	if err != nil {
		return err
	}
	if digest.Due.IsZero() || time.Now().Before(digest.Due) {
		return nil // it was sent or postponed, and has another timer
	}
	outbox := mailOutbox{p: m.p, class: job.MailOperator}
	for _, address := range m.addresses(ctx) {
		if err := outbox.Enqueue(ctx, notify.DigestMail(digest, address)); err != nil {
			return err
		}
	}
	return m.updateDigest(ctx, func(now job.Digest) (job.Digest, bool) {
		if !now.Due.Equal(digest.Due) {
			return now, false // another process has sent it
		}
		return notify.Mailed(now, digest), true
	})
}

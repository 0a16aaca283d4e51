package backup

import (
	"context"
	"errors"
)

// readChain reads the descriptors of the backup's bases and holds them against the rules that Weaviate applies at create and at restore: every
// ancestor exists, ended with SUCCESS, has the same compression, and started strictly before its child (weaviate-facts, tried on 1.38.5).
func (c *Catalogue) readChain(ctx context.Context, id string, d Descriptor) error {
	if d.ID != id {
		c.misnamed(id, d)
		d.ID = id // the objects lie below the name that was asked for
	}
	c.Chain = []Descriptor{d}
	seen := map[string]bool{id: true}
	for child := d; child.BaseBackupID != ""; {
		baseID := child.BaseBackupID
		where := Problem{Backup: baseID, Key: c.bucket.Key(baseID, configObject)}
		if seen[baseID] {
			c.problem(where, ProblemChain, "the chain of bases runs in a circle: backup %s builds on %s, which builds on it", child.ID, baseID)
			return nil
		}
		seen[baseID] = true
		base, err := ReadDescriptor(ctx, c.bucket, baseID)
		switch {
		case errors.Is(err, ErrNoSuchBackup):
			where.Kind = ProblemChain
			where.Detail = "backup " + child.ID + " builds on this backup, which has no descriptor, so Weaviate refuses to restore it"
			c.missing = append(c.missing, where)
			return nil
		case errors.Is(err, ErrMalformed), errors.Is(err, ErrArchived):
			c.problem(where, ProblemChain, "backup %s builds on this backup, whose descriptor cannot be read: %v", child.ID, err)
			return nil
		case err != nil:
			return err
		}
		if base.ID != baseID {
			c.misnamed(baseID, base)
			base.ID = baseID
		}
		if base.Status != statusSuccess {
			c.problem(where, ProblemChain, "backup %s builds on this backup, which has status %s, so Weaviate refuses to restore it", child.ID, base.Status)
		}
		if base.compression() != child.compression() {
			c.problem(where, ProblemChain, "backup %s is compressed with %s and its base with %s, so Weaviate refuses to restore it", child.ID, child.compression(), base.compression())
		}
		if !base.StartedAt.Before(child.StartedAt) {
			c.problem(where, ProblemChain, "it started at %s, not before backup %s (%s) that builds on it: it was made again under the same name, and Weaviate refuses to restore the chain",
				base.StartedAt.UTC().Format(timeFormat), child.ID, child.StartedAt.UTC().Format(timeFormat))
		}
		c.Chain = append(c.Chain, base)
		child = base
	}
	return nil
}

func (c *Catalogue) misnamed(id string, d Descriptor) {
	c.problem(Problem{Backup: id, Key: c.bucket.Key(id, configObject)}, ProblemIdentity, "its descriptor says that it is backup %q: was it copied under another name?", d.ID)
}

// inChain says whether id is one of the chain's backups.
func (c *Catalogue) inChain(id string) bool {
	for _, d := range c.Chain {
		if d.ID == id {
			return true
		}
	}
	return false
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// apiCode is the error code that S3 answered with, or "".
func apiCode(err error) string {
	var api interface{ ErrorCode() string } // smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

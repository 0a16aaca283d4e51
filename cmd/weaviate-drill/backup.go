package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	drill "github.com/weaviate-drill/weaviate-drill"
	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
	"github.com/weaviate-drill/weaviate-drill/rto"
	"github.com/weaviate-drill/weaviate-drill/rto/evidence"
	"github.com/weaviate-drill/weaviate-drill/rto/report"
)

func (a *app) backupCommand() *cobra.Command {
	c := &cobra.Command{Use: "backup", Short: "Make, list, show, check and cancel backups"}
	c.AddCommand(a.backupCreateCommand(), a.backupListCommand(), a.backupShowCommand(), a.backupCheckCommand(), a.backupCancelCommand())
	return c
}

func (a *app) backupCreateCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "create", Short: "Make a backup and follow it to its end",
		Long: `Starts a backup of the source as the section backup of the configuration says, and follows it to its end.
A backup that is already running is followed instead. Interrupted, the backup that was started is cancelled.
Afterwards the ETag, size and time of each of its objects are recorded in the evidence, so that a later drill
sees whether any was written again.`,
		Example: `  weaviate-drill backup create
  weaviate-drill backup create --id before-release-42`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.setting(c)
			if err != nil {
				return err
			}
			conn, err := dial(c, "source", s.config.Source.Server)
			if err != nil {
				return err
			}
			defer conn.Close()
			if _, err := backup.CheckQueue(c.Context(), conn, s.config.Backup.MaxQueue); err != nil {
				return err
			}
			made, err := backup.Create(c.Context(), conn, s.bucket, backup.CreateOptions{
				Request: s.config.BackupRequest(id), Timeout: s.config.Backup.Timeout, Log: a.log,
				Progress: func(p backup.Progress) {
					a.progress.show(drill.Progress{Phase: rto.Backup, Done: p.Bytes, Total: p.Total, Unit: "bytes", Detail: p.Status})
				},
			})
			if err != nil {
				return err
			}
			catalogue, err := backup.ReadCatalogue(c.Context(), s.bucket, made.ID)
			if err != nil {
				return err
			}
			if !made.Attached {
				if err := s.store.PutInventory(c.Context(), drill.Inventory(s.bucket, catalogue)); err != nil {
					return err
				}
			}
			result, err := catalogue.Check(c.Context())
			if err != nil {
				return err
			}
			a.close()
			if s.form == "json" {
				err = json.NewEncoder(a.stdout).Encode(made)
			} else {
				err = report.Backups(a.stdout, s.form, []backup.Listing{catalogue.Listing()}, a.look())
			}
			if err != nil {
				return err
			}
			for _, p := range result.Problems {
				_, _ = fmt.Fprintln(a.stderr, p)
			}
			return sound(result.Problems)
		},
	}
	c.Flags().StringVar(&id, "id", "", "`id` of the new backup: small letters, digits, _ and - (default: a new one)")
	return c
}

// dial connects to a server of the configuration; section names it in errors.
func dial(c *cobra.Command, section string, s drill.Server) (*weaviate.Conn, error) {
	endpoint, err := s.Endpoint()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", section, err)
	}
	conn, err := weaviate.Dial(c.Context(), endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", section, err)
	}
	return conn, nil
}

// sound gives the exit status of a check.
func sound(problems []backup.Problem) error {
	if len(problems) > 0 {
		return outcome(evidence.DataFailed)
	}
	return nil
}

func (a *app) backupListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all backups in the bucket",
		Long: `Lists every backup below the configured path, the oldest first, from S3 alone: no Weaviate is asked. Every object is
listed, so a lost chunk shows as a gap ("backup show" also sees a lost last one), and so does the day on which a lifecycle
rule takes a backup away, or the base that it builds on: docs/inventory.md says what each column rests on. When S3 goes on
answering SlowDown there is no list, since it would not be whole.`,
		Example: "  weaviate-drill backup list --output json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.setting(c)
			if err != nil {
				return err
			}
			list, err := backup.Survey(c.Context(), s.bucket, time.Now())
			if err != nil {
				return err
			}
			if err := report.Backups(a.stdout, s.form, list, a.look()); err != nil {
				return err
			}
			return refused(list)
		},
	}
}

// refused is an error when S3 did not let a descriptor be read: the list is whole, and what it says of that backup is not.
func refused(list []backup.Listing) error {
	for _, l := range list {
		if l.Err != nil && !errors.Is(l.Err, backup.ErrNoSuchBackup) && !errors.Is(l.Err, backup.ErrMalformed) {
			return l.Err
		}
	}
	return nil
}

func (a *app) backupShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one backup, and whether S3 holds all of it",
		Long: `Shows one backup ("latest": the newest that succeeded) and checks its catalogue: the descriptors, the chain of
incremental bases, and that every chunk named is in the bucket, not empty, and can be read at once.
From S3 alone: no Weaviate is asked.`,
		Example: "  weaviate-drill backup show latest",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.checkBackup(c, args[0], false) },
	}
}

func (a *app) backupCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check ID", Short: "Read every byte of one backup and say what is wrong with it",
		Long: `Checks the catalogue as "backup show" does, then reads every chunk of the backup and of its incremental bases to
its end: decompressed, walked as tar, summed up and held against the descriptors. A flipped bit, a cut, an emptied or
a swapped chunk is named, with its collection, shard and node. Nothing is written to disk, and no Weaviate is asked.
Where the evidence knows the backup's objects from when it was made, they are compared too.`,
		Example: "  weaviate-drill backup check latest",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.checkBackup(c, args[0], true) },
	}
}

func (a *app) checkBackup(c *cobra.Command, id string, archive bool) error {
	s, err := a.setting(c)
	if err != nil {
		return err
	}
	if id == backup.Latest { // any other can be looked at even while it runs or when it failed: the check says so
		if id, err = backup.Resolve(c.Context(), s.bucket, id); err != nil {
			return err
		}
	}
	catalogue, err := backup.ReadCatalogue(c.Context(), s.bucket, id)
	if err != nil {
		return err
	}
	result, err := catalogue.Check(c.Context())
	if err != nil {
		return err
	}
	known, err := s.store.Inventory(c.Context(), s.bucket.Name, s.bucket.Path, id)
	if err != nil {
		return err
	}
	if known != nil {
		result.Problems = append(result.Problems, backup.CompareObjects(known.Objects, catalogue.Objects())...)
	}
	var read *backup.ArchiveResult
	problems := result.Problems
	if archive {
		r, err := backup.CheckArchive(c.Context(), s.bucket, catalogue, backup.ArchiveOptions{Progress: func(done, total int64) {
			a.progress.show(drill.Progress{Phase: rto.Archive, Done: done, Total: total, Unit: "bytes"})
		}})
		if err != nil {
			return err
		}
		read, problems = &r, append(problems, r.Problems...)
	}
	a.close()
	listing, err := catalogue.Describe(c.Context(), result, time.Now())
	if err != nil {
		return err
	}
	if err := report.Check(a.stdout, s.form, listing, result, read, a.look()); err != nil {
		return err
	}
	return sound(problems)
}

// cancelTimeout is enough for a living server, which looks at its nodes every 10 s.
const cancelTimeout = time.Minute

func (a *app) backupCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Cancel a backup that is running",
		Long:    "Asks the source to cancel a running backup and waits until it says so. A backup that has ended is left alone.",
		Example: "  weaviate-drill backup cancel drill-20261124-222655-k3f9x2",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.setting(c)
			if err != nil {
				return err
			}
			conn, err := dial(c, "source", s.config.Source.Server)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(c.Context(), cancelTimeout)
			defer cancel()
			if err := backup.Cancel(ctx, conn, s.bucket, args[0], weaviate.Location{}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "backup %s is cancelled\n", args[0])
			return err
		},
	}
}

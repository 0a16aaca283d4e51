package backup_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weaviate-drill/weaviate-drill/backup"
	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
)

// link is a backup of a chain as it is drawn: what its descriptor says, or how it is unfit.
type link struct {
	base        int // number of the backup that it builds on; -1: none; one that does not exist: any other
	missing     bool
	malformed   bool
	status      string
	compression string
	started     int // seconds
}

// TestChainProperties draws backups that build on one another in any way, circles too, into a real bucket. The chain is followed as far as descriptors can be read, each backup once; and each link
// that Weaviate would refuse is one problem.
func TestChainProperties(t *testing.T) {
	b := servertest.Bucket(t, "backups")
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		links := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) link {
			return link{
				base: rapid.IntRange(-1, 5).Draw(t, "base"), missing: rapid.IntRange(0, 7).Draw(t, "missing") == 0, malformed: rapid.IntRange(0, 7).Draw(t, "malformed") == 0,
				status: rapid.SampledFrom([]string{"SUCCESS", "SUCCESS", "SUCCESS", "FAILED"}).Draw(t, "status"), compression: rapid.SampledFrom([]string{"", "gzip", "gzip", "zstd"}).Draw(t, "compression"),
				started: rapid.IntRange(0, 3).Draw(t, "started"),
			}
		}), 1, 5).Draw(r, "backups")
		links[0].missing, links[0].malformed = false, false
		id := func(i int) string { return fmt.Sprintf("run%d-%d", run, i) }
		for i, l := range links {
			d := map[string]any{
				"id": id(i), "status": l.status, "version": "2.1", "compressionType": l.compression, "nodes": map[string]any{},
				"startedAt": time.Unix(int64(l.started), 0).UTC(), "completedAt": time.Unix(100, 0).UTC(),
			}
			if l.base >= 0 {
				d["baseBackupId"] = id(l.base)
			}
			content, err := json.Marshal(d)
			if err != nil {
				r.Fatal(err)
			}
			if l.malformed {
				content = content[:len(content)-1]
			}
			if !l.missing {
				put(t, b, configKey(b, id(i)), content)
			}
		}
		// What must come out, by the rules of Weaviate.
		want, problems := []string{id(0)}, 0
		compression := func(l link) string { return map[string]string{"": "gzip"}[l.compression] + l.compression }
		for at := links[0]; at.base >= 0; {
			base := at.base
			if slices.Contains(want, id(base)) || base >= len(links) || links[base].missing || links[base].malformed {
				problems++
				break
			}
			l := links[base]
			for _, refused := range []bool{l.status != "SUCCESS", compression(l) != compression(at), l.started >= at.started} {
				if refused {
					problems++
				}
			}
			want, at = append(want, id(base)), l
		}
		c := catalogue(t, b, id(0))
		var got []string
		for _, d := range c.Chain {
			got = append(got, d.ID)
		}
		found := slices.DeleteFunc(check(t, c).Problems, func(p backup.Problem) bool { return p.Kind != backup.ProblemChain })
		if !slices.Equal(got, want) || len(found) != problems {
			r.Fatalf("the chain is %v, want %v; it has %d problems, want %d:\n%s", got, want, len(found), problems, text(found))
		}
	})
}

package backup

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Objects are all objects that a restore of this backup reads, sorted by key: everything of the backup itself, and of its bases their descriptors and
// the chunks that this backup borrows from. What restores write there (restore_config.json, access-check) is left out.
func (c *Catalogue) Objects() []Object {
	var objects []Object
	for _, o := range c.listed[c.Backup().ID] {
		if name := path.Base(o.Key); name != restoreObject && name != probeObject {
			objects = append(objects, o)
		}
	}
	bases := map[string]bool{}
	for _, d := range c.Chain[1:] {
		bases[c.bucket.Key(d.ID, configObject)] = true
	}
	for _, ch := range c.chunks() {
		if ch.backup != c.Backup().ID {
			bases[ch.key] = true
		}
	}
	for _, d := range c.Chain[1:] {
		for _, o := range c.listed[d.ID] {
			if bases[o.Key] {
				objects = append(objects, o)
			}
		}
	}
	slices.SortFunc(objects, func(x, y Object) int { return cmp.Compare(x.Key, y.Key) })
	return objects
}

// CompareObjects compares the objects recorded when a backup was made with those of now. Weaviate never writes an object of a finished backup again, so
// each difference is a problem: another ETag, size or LastModified, an object that is gone, an object that was not there. Times are
// compared to the second, which is what AWS gives.
func CompareObjects(recorded, now []Object) []Problem {
	current := make(map[string]Object, len(now))
	for _, o := range now {
		current[o.Key] = o
	}
	var problems []Problem
	add := func(key string, kind ProblemKind, detail string) {
		p := locate(key)
		p.Kind, p.Detail = kind, detail
		problems = append(problems, p)
	}
	for _, was := range recorded {
		is, there := current[was.Key]
		delete(current, was.Key)
		if !there {
			add(was.Key, ProblemObjectVanished, fmt.Sprintf("it was there when the backup was made (%d bytes, ETag %s), and is gone", was.Size, was.ETag))
			continue
		}
		var changes []string
		if was.Size != is.Size {
			changes = append(changes, fmt.Sprintf("size %d became %d", was.Size, is.Size))
		}
		if was.ETag != is.ETag {
			changes = append(changes, fmt.Sprintf("ETag %s became %s", was.ETag, is.ETag))
		}
		if !was.LastModified.Truncate(time.Second).Equal(is.LastModified.Truncate(time.Second)) {
			changes = append(changes, fmt.Sprintf("written at %s instead of %s", is.LastModified.UTC().Format(timeFormat), was.LastModified.UTC().Format(timeFormat)))
		}
		if len(changes) > 0 {
			add(was.Key, ProblemObjectReplaced, "it was written again after the backup was made: "+strings.Join(changes, ", "))
		}
	}
	for key, o := range current {
		add(key, ProblemObjectNew, fmt.Sprintf("it was not there when the backup was made (%d bytes, written at %s)", o.Size, o.LastModified.UTC().Format(timeFormat)))
	}
	sortProblems(problems)
	return problems
}

// locate reads backup, node and collection from the end of a key.
func locate(key string) Problem {
	p := Problem{Key: key}
	parts := strings.Split(key, "/")
	at := func(fromEnd int) string {
		if i := len(parts) - fromEnd; i >= 0 {
			return parts[i]
		}
		return ""
	}
	switch name := at(1); {
	case name == configObject:
		p.Backup = at(2)
	case name == nodeObject:
		p.Backup, p.Node = at(3), at(2)
	case strings.HasPrefix(name, "chunk-"):
		p.Backup, p.Node, p.Collection = at(4), at(3), at(2)
	default:
		p.Backup = at(2)
	}
	return p
}

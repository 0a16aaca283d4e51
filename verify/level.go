package verify

import (
	"slices"
	"strings"
)

// Level is how much of a backup is proved. Each contains those before it.
type Level string

// The levels. At the first two nothing is restored, and Compare does not take them.
const (
	LevelCatalogue Level = "catalogue"
	LevelArchive   Level = "archive"
	LevelStructure Level = "structure"
	LevelCounts    Level = "counts"
	LevelSample    Level = "sample"
	LevelFull      Level = "full"
	LevelIndex     Level = "index"
)

// levels are all of them, the least first, each with what is looked at. A new level is one line here.
var levels = []struct {
	level   Level
	looksAt string
}{
	{LevelCatalogue, "the backup's descriptors, its chain of bases and the listings in S3"},
	{LevelArchive, "these, and every chunk to its end"},
	{LevelStructure, "the schema, the aliases and the tenants"},
	{LevelCounts, "the structure, and the exact counts"},
	{LevelSample, "the structure, the counts, the ids and times of all objects, and the content of a random sample"},
	{LevelFull, "the structure, the counts, and every object with all its vectors and properties, bit for bit"},
	{LevelIndex, "the structure, the counts, every object, and what the restored indexes answer: by id, by vector, to filters and keyword searches"},
}

// Levels lists them, the least first.
func Levels() (list []Level) {
	for _, l := range levels {
		list = append(list, l.level)
	}
	return list
}

// LevelNames lists those from one on for a person: "structure, counts, ...".
func LevelNames(from Level) string {
	var names []string
	for _, l := range levels[from.rank():] {
		names = append(names, string(l.level))
	}
	return strings.Join(names, ", ")
}

// Valid says whether the level is known.
func (l Level) Valid() bool { return l.rank() >= 0 }

// AtLeast says whether the level contains another. One that is not known contains none, and is contained in none.
func (l Level) AtLeast(other Level) bool { return other.Valid() && l.rank() >= other.rank() }

// Restores says whether a backup is restored at the level.
func (l Level) Restores() bool { return l.AtLeast(LevelStructure) }

// LooksAt says what is compared, or at the levels that restore nothing is read, at a level that is known.
func (l Level) LooksAt() string { return levels[l.rank()].looksAt }

func (l Level) rank() int { return slices.Index(Levels(), l) }

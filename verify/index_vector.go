package verify

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// metrics are the distances that the server knows. For cosine both are of length one: see rowsOf.
var metrics = map[string]func(a, b []float32) float32{
	"cosine":     func(a, b []float32) float32 { return 1 - dot(a, b) },
	"dot":        func(a, b []float32) float32 { return -dot(a, b) },
	"l2-squared": squared,
	"manhattan":  manhattan,
	"hamming":    hamming,
}

// dot has four sums, so that one addition need not wait for the one before.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var sums [4]float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		sums[0] += a[i] * b[i]
		sums[1] += a[i+1] * b[i+1]
		sums[2] += a[i+2] * b[i+2]
		sums[3] += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		sums[0] += a[i] * b[i]
	}
	return sums[0] + sums[1] + sums[2] + sums[3]
}

func squared(a, b []float32) (sum float32) {
	b = b[:len(a)]
	for i := range a {
		d := a[i] - b[i]
		sum += d * d
	}
	return sum
}

func manhattan(a, b []float32) (sum float32) {
	b = b[:len(a)]
	for i := range a {
		d := a[i] - b[i]
		sum += max(d, -d)
	}
	return sum
}

func hamming(a, b []float32) (sum float32) {
	b = b[:len(a)]
	for i := range a {
		if a[i] != b[i] {
			sum++
		}
	}
	return sum
}

// rowsOf are the rows of a vector, one when it is no multi-vector, of length one for cosine, which is how the server keeps them in its index.
func rowsOf(v weaviate.Vector, metric string) (rows [][]float32) {
	raw, dimensions := v.Bytes, len(v.Bytes)/4
	if v.Multi {
		if len(raw) < 2 {
			return nil
		}
		dimensions, raw = int(binary.LittleEndian.Uint16(raw)), raw[2:]
	}
	for ; dimensions > 0 && len(raw) >= 4*dimensions; raw = raw[4*dimensions:] {
		row := make([]float32, dimensions)
		for i := range row {
			row[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		if metric == "cosine" {
			length := float32(math.Sqrt(float64(dot(row, row))))
			for i := range row {
				if length > 0 {
					row[i] /= length
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// distance is that of two vectors of one shape, and false for two that cannot be held against each other. That of multi-vectors is what the server calls late interaction: for each row of the query the best product
// with any row of the object, summed and negative (adapters/repos/db/vector/hnsw/search.go, computeScore).
func (n *Near) distance(query, object [][]float32) (float32, bool) {
	measure := metrics[n.Metric]
	if len(query) == 0 || len(object) == 0 || len(query[0]) != len(object[0]) || measure == nil {
		return 0, false
	}
	if !n.Multi {
		return measure(query[0], object[0]), true
	}
	var sum float32
	for _, row := range query {
		best := float32(math.Inf(-1))
		for _, other := range object {
			best = max(best, dot(row, other))
		}
		sum -= best
	}
	return sum, true
}

// ranked is an object at its distance, with the time of its last write.
type ranked struct {
	id       uuid.UUID
	distance float32
	updated  int64
}

// nearest are the k nearest of what it was shown, the nearest first.
type nearest []ranked

func (n nearest) with(r ranked, k int) nearest {
	if len(n) == k && r.distance >= n[k-1].distance {
		return n
	}
	at, _ := slices.BinarySearchFunc(n, r, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.distance, b.distance), -1) })
	n = slices.Insert(n, at, r)
	return n[:min(len(n), k)]
}

// beyond says whether a lies no nearer than b, but for rounding: the server adds up the same terms in another order.
func beyond(a, b float32) bool {
	const rounding = 1e-4
	return float64(a) >= float64(b)-rounding*math.Max(1e-3, math.Abs(float64(b)))
}

// missed are those of the exact neighbours that an answer does not have although something that lies farther away took their place, or nothing did. furthest is the distance of the last of the answer.
func (n nearest) missed(answer []weaviate.Neighbour, k int, furthest float32) (hits int, missed []ranked) {
	for _, r := range n {
		switch {
		case slices.ContainsFunc(answer, func(f weaviate.Neighbour) bool { return f.ID == r.id }):
			hits++
		case len(answer) >= k && beyond(r.distance, furthest): // there is no room for it: as near as the last, or later writes lie nearer
		default:
			missed = append(missed, r)
		}
	}
	return hits, missed
}

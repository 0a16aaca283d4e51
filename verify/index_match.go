package verify

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// certainty says whether an object belongs in the answer to a filter or keyword search.
type certainty int

const (
	no    certainty = iota
	maybe           // versions of the server differ, or the place is at the very edge
	yes
)

// matcher judges objects as the index of a filter or a keyword search has to.
type matcher struct {
	property string // whose values match wants to see; empty: none
	match    func(o *weaviate.Object, v *scalars) certainty
}

func sure(is bool) certainty {
	if is {
		return yes
	}
	return no
}

// matcher is what the tool makes of a probe's question. ok is false for one that it does not understand.
func (p *Probe) matcher() (m matcher, ok bool) {
	if p.Keyword != nil {
		return p.tokenMatcher(p.Keyword.Property, p.Keyword.Token)
	}
	w := p.Where
	m.property = w.Property
	if name, length := strings.CutPrefix(w.Property, "len("); length {
		m.property = strings.TrimSuffix(name, ")")
		want, err := strconv.Atoi(w.Value)
		m.match = func(_ *weaviate.Object, v *scalars) certainty {
			if len(v.all) == 0 || v.length() != want {
				return no
			}
			return p.unlessBlank(v)
		}
		return m, err == nil
	}
	switch w.Operator {
	case weaviate.IsNull:
		null, err := strconv.ParseBool(w.Value)
		m.match = func(_ *weaviate.Object, v *scalars) certainty {
			switch {
			case len(v.all) == 0 && v.list, len(v.all) == 1 && v.all[0] == "": // empty is as null for the server, where it keeps it
				return maybe
			case (len(v.all) == 0) != null:
				return no
			}
			return p.unlessBlank(v)
		}
		return m, err == nil
	case weaviate.Within:
		return m.place(w.Value, p.Object)
	case weaviate.GreaterOrEqual:
		return m.atLeast(w)
	}
	if w.Type == "text" {
		return p.tokenMatcher(w.Property, w.Value)
	}
	return m.equal(w)
}

// unlessBlank is for what is kept beside the values of a text: of one that has no token at all, not every version of the server keeps it.
func (p *Probe) unlessBlank(v *scalars) certainty {
	if p.Tokenization != "" && !v.list && len(v.all) > 0 && len(v.tokens(p.Tokenization)) == 0 {
		return maybe
	}
	return yes
}

func (p *Probe) tokenMatcher(property, token string) (matcher, bool) {
	_, ok := tokenizers[p.Tokenization]
	return matcher{property, func(_ *weaviate.Object, v *scalars) certainty {
		return sure(slices.Contains(v.tokens(p.Tokenization), token))
	}}, ok
}

func (m matcher) equal(w *weaviate.Condition) (matcher, bool) {
	var is func(any) certainty
	var err error
	switch w.Type {
	case "number":
		var want float64
		want, err = strconv.ParseFloat(w.Value, 64)
		is = func(v any) certainty { f, _ := v.(float64); return sameNumber(f, want) }
	case "date":
		var want time.Time
		want, err = time.Parse(time.RFC3339Nano, w.Value)
		is = func(v any) certainty { at, ok := instant(v); return sure(ok && at.Equal(want)) }
	default:
		is = func(v any) certainty { return sure(written(v) == w.Value) }
	}
	m.match = func(_ *weaviate.Object, v *scalars) (best certainty) {
		for _, one := range v.all {
			best = max(best, is(one))
		}
		return best
	}
	return m, err == nil
}

// sameNumber is not sure of zeros: some versions of the server tell the negative one from the other.
func sameNumber(a, b float64) certainty {
	if a == 0 && b == 0 && math.Signbit(a) != math.Signbit(b) {
		return maybe
	}
	return sure(a == b)
}

func instant(v any) (time.Time, bool) {
	text, _ := v.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

func (m matcher) atLeast(w *weaviate.Condition) (matcher, bool) {
	var is func(any) certainty
	var err error
	switch w.Type {
	case "int":
		var least int64
		least, err = strconv.ParseInt(w.Value, 10, 64)
		is = func(v any) certainty { n, ok := v.(int64); return sure(ok && n >= least) }
	case "number":
		var least float64
		least, err = strconv.ParseFloat(w.Value, 64)
		is = func(v any) certainty {
			f, ok := v.(float64)
			if ok && sameNumber(f, least) == maybe {
				return maybe
			}
			return sure(ok && f >= least)
		}
	default:
		var least time.Time
		least, err = time.Parse(time.RFC3339Nano, w.Value)
		if w.Property == created || w.Property == updated {
			m.property = ""
			m.match = func(o *weaviate.Object, _ *scalars) certainty {
				at := o.Created
				if w.Property == updated {
					at = o.Updated
				}
				return sure(at >= least.UnixMilli())
			}
			return m, err == nil
		}
		is = func(v any) certainty { at, ok := instant(v); return sure(ok && !at.Before(least)) }
	}
	m.match = func(_ *weaviate.Object, v *scalars) certainty {
		if len(v.all) == 0 {
			return no
		}
		return is(v.all[0])
	}
	return m, err == nil
}

// place is about what lies within 1000 m. The index of places is an approximate one, so it need not find all of them. Only the object that the question was drawn from is sure, while it lies in the middle.
func (m matcher) place(value string, own uuid.UUID) (matcher, bool) {
	at, ok := parsePlace(value)
	m.match = func(o *weaviate.Object, v *scalars) certainty {
		if len(v.all) == 0 {
			return no
		}
		there, is := v.all[0].(weaviate.Place)
		switch {
		case !is || metres(at, there) > 1010:
			return no
		case o.ID == own && there == at:
			return yes
		}
		return maybe
	}
	return m, ok
}

func parsePlace(value string) (p weaviate.Place, ok bool) {
	latitude, longitude, _ := strings.Cut(value, ",")
	a, err1 := strconv.ParseFloat(latitude, 32)
	b, err2 := strconv.ParseFloat(longitude, 32)
	return weaviate.Place{Latitude: float32(a), Longitude: float32(b)}, err1 == nil && err2 == nil
}

// metres is the way between two places on a sphere as big as the earth.
func metres(a, b weaviate.Place) float64 {
	const radius, degree = 6371e3, math.Pi / 180
	lat1, lat2 := float64(a.Latitude)*degree, float64(b.Latitude)*degree
	dlat, dlong := lat2-lat1, (float64(b.Longitude)-float64(a.Longitude))*degree
	h := math.Pow(math.Sin(dlat/2), 2) + math.Cos(lat1)*math.Cos(lat2)*math.Pow(math.Sin(dlong/2), 2)
	return 2 * radius * math.Asin(math.Min(1, math.Sqrt(h)))
}

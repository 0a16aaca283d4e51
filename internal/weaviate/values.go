package weaviate

import (
	"encoding/binary"
	"iter"
	"math"
)

// Value is one value of a property in canonical form.
type Value []byte

// Place is a value of type geoCoordinates.
type Place struct{ Latitude, Longitude float32 }

// Fields yields the properties of a canonical form in the order of their names, without those after the first byte that does not belong there.
func Fields(properties []byte) iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		d := decoder{rest: properties}
		for n := d.uvarint(); n > 0; n-- {
			name := d.text()
			begin := d.rest
			if d.skip(0); d.bad || !yield(name, Value(begin[:len(begin)-len(d.rest)])) {
				return
			}
		}
	}
}

// Scalars yields the value, or the elements of a list: each a bool, int64, float64, string (a text, date or uuid) or Place. There are none in null, and in what no filter asks for: objects, phone numbers, blobs.
func (v Value) Scalars() iter.Seq[any] {
	return func(yield func(any) bool) {
		d := decoder{rest: v}
		tag := d.take(1)
		if d.bad {
			return
		}
		switch tag[0] {
		case tagBool:
			if raw := d.take(1); raw != nil {
				yield(raw[0] != 0)
			}
		case tagNumber:
			yield(math.Float64frombits(d.uint64()))
		case tagInt:
			yield(int64(d.uint64()))
		case tagText, tagDate, tagUUID:
			yield(d.text())
		case tagGeo:
			yield(Place{d.float32(), d.float32()})
		case tagNumbers, tagInts:
			for raw := d.take(d.uvarint()); len(raw) >= 8; raw = raw[8:] {
				bits := binary.LittleEndian.Uint64(raw)
				var element any = int64(bits)
				if tag[0] == tagNumbers {
					element = math.Float64frombits(bits)
				}
				if !yield(element) {
					return
				}
			}
		case tagList:
			for n := d.uvarint(); n > 0 && !d.bad; n-- {
				begin := d.rest
				d.skip(1)
				for element := range Value(begin[:len(begin)-len(d.rest)]).Scalars() {
					if !yield(element) {
						return
					}
				}
			}
		}
	}
}

// List says whether the value is a list, an empty one too.
func (v Value) List() bool {
	return len(v) > 0 && (v[0] == tagList || v[0] == tagNumbers || v[0] == tagInts)
}

// skip passes over one value.
func (d *decoder) skip(depth int) {
	tag := d.take(1)
	if d.bad || depth > maxDepth {
		d.bad, d.rest = true, nil
		return
	}
	switch tag[0] {
	case tagNull:
	case tagBool:
		d.take(1)
	case tagNumber, tagInt, tagGeo:
		d.take(8)
	case tagLiteral, tagText, tagDate, tagUUID, tagBlob, tagNumbers, tagInts:
		d.take(d.uvarint())
	case tagPhone:
		for range 7 {
			d.take(d.uvarint())
		}
	case tagList:
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			d.skip(depth + 1)
		}
	case tagObject:
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			d.take(d.uvarint())
			d.skip(depth + 1)
		}
	default:
		d.bad, d.rest = true, nil
	}
}

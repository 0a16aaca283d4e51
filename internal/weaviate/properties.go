package weaviate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

// The canonical form of properties: a count, then for each property, sorted by name, its name and its value. A value is a tag and what the tag says; lengths
// and counts are unsigned varints, fixed-size numbers big endian. Equal properties have equal bytes and different ones different bytes.
const (
	tagNull    = 'n'
	tagBool    = 'b' // one byte
	tagNumber  = 'f' // float64 bits
	tagInt     = 'i' // int64
	tagLiteral = 'l' // a JSON number that fits neither, as written
	tagText    = 's'
	tagDate    = 'd'
	tagUUID    = 'u'
	tagBlob    = 'x'
	tagGeo     = 'g' // latitude, longitude: float32 bits
	tagPhone   = 'p' // seven texts
	tagObject  = 'o' // as the whole
	tagList    = '[' // count, values
	tagNumbers = 'F' // packed little-endian float64, as the server sends them
	tagInts    = 'I' // packed little-endian int64
)

func appendText(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

func appendProperties(out []byte, p *pb.Properties) []byte {
	fields := p.GetFields()
	var room [32]string
	names := room[:0]
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	out = binary.AppendUvarint(out, uint64(len(names)))
	for _, name := range names {
		out = appendValue(appendText(out, name), fields[name])
	}
	return out
}

func appendValue(out []byte, v *pb.Value) []byte {
	switch k := v.GetKind().(type) {
	case *pb.Value_NumberValue:
		return binary.BigEndian.AppendUint64(append(out, tagNumber), math.Float64bits(k.NumberValue))
	case *pb.Value_IntValue:
		return binary.BigEndian.AppendUint64(append(out, tagInt), uint64(k.IntValue))
	case *pb.Value_BoolValue:
		return append(out, tagBool, bit(k.BoolValue))
	case *pb.Value_TextValue:
		return appendText(append(out, tagText), k.TextValue)
	case *pb.Value_DateValue:
		return appendText(append(out, tagDate), k.DateValue)
	case *pb.Value_UuidValue:
		return appendText(append(out, tagUUID), k.UuidValue)
	case *pb.Value_BlobValue:
		return appendText(append(out, tagBlob), k.BlobValue)
	case *pb.Value_ObjectValue:
		return appendProperties(append(out, tagObject), k.ObjectValue)
	case *pb.Value_GeoValue:
		out = binary.BigEndian.AppendUint32(append(out, tagGeo), math.Float32bits(k.GeoValue.GetLatitude()))
		return binary.BigEndian.AppendUint32(out, math.Float32bits(k.GeoValue.GetLongitude()))
	case *pb.Value_PhoneValue:
		p := k.PhoneValue
		out = append(out, tagPhone)
		for _, s := range []string{
			strconv.FormatUint(p.GetCountryCode(), 10), p.GetDefaultCountry(), p.GetInput(), p.GetInternationalFormatted(),
			strconv.FormatUint(p.GetNational(), 10), p.GetNationalFormatted(), strconv.FormatBool(p.GetValid()),
		} {
			out = appendText(out, s)
		}
		return out
	case *pb.Value_ListValue:
		return appendList(out, k.ListValue)
	default:
		return append(out, tagNull)
	}
}

func appendList(out []byte, l *pb.ListValue) []byte {
	texts := func(tag byte, values []string) []byte {
		out = binary.AppendUvarint(append(out, tagList), uint64(len(values)))
		for _, s := range values {
			out = appendText(append(out, tag), s)
		}
		return out
	}
	switch k := l.GetKind().(type) {
	case *pb.ListValue_NumberValues:
		return appendText(append(out, tagNumbers), string(k.NumberValues.GetValues()))
	case *pb.ListValue_IntValues:
		return appendText(append(out, tagInts), string(k.IntValues.GetValues()))
	case *pb.ListValue_TextValues:
		return texts(tagText, k.TextValues.GetValues())
	case *pb.ListValue_DateValues:
		return texts(tagDate, k.DateValues.GetValues())
	case *pb.ListValue_UuidValues:
		return texts(tagUUID, k.UuidValues.GetValues())
	case *pb.ListValue_BoolValues:
		out = binary.AppendUvarint(append(out, tagList), uint64(len(k.BoolValues.GetValues())))
		for _, b := range k.BoolValues.GetValues() {
			out = append(out, tagBool, bit(b))
		}
		return out
	case *pb.ListValue_ObjectValues:
		out = binary.AppendUvarint(append(out, tagList), uint64(len(k.ObjectValues.GetValues())))
		for _, o := range k.ObjectValues.GetValues() {
			out = appendProperties(append(out, tagObject), o)
		}
		return out
	default:
		return append(out, tagList, 0)
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// propertiesFromJSON takes the properties of an object as REST gives them. No properties at all are the same as none.
func propertiesFromJSON(raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return []byte{0}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("properties: %w", err)
	}
	return appendJSONObject(nil, fields), nil
}

func appendJSONObject(out []byte, fields map[string]any) []byte {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	out = binary.AppendUvarint(out, uint64(len(names)))
	for _, name := range names {
		out = appendJSON(appendText(out, name), fields[name])
	}
	return out
}

func appendJSON(out []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return append(out, tagBool, bit(v))
	case string:
		return appendText(append(out, tagText), v)
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil && v.String() != "-0" {
			return binary.BigEndian.AppendUint64(append(out, tagInt), uint64(n))
		}
		// A float64 stands for a number only when it is written back as the same number: more digits than it can hold are kept as they are.
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") && len(v.String()) <= 24 {
			return binary.BigEndian.AppendUint64(append(out, tagNumber), math.Float64bits(f))
		}
		return appendText(append(out, tagLiteral), v.String())
	case []any:
		out = binary.AppendUvarint(append(out, tagList), uint64(len(v)))
		for _, item := range v {
			out = appendJSON(out, item)
		}
		return out
	case map[string]any:
		return appendJSONObject(append(out, tagObject), v)
	default:
		return append(out, tagNull)
	}
}

// PropertyDifference is one property that differs, with both values as a person reads them; "(missing)" where a side has none.
type PropertyDifference struct{ Name, A, B string }

// DiffProperties lists the properties that differ between two canonical forms, by name. Bytes that are no canonical form are an error.
func DiffProperties(a, b []byte) ([]PropertyDifference, error) {
	left, err := decodeTop(a)
	if err != nil {
		return nil, err
	}
	right, err := decodeTop(b)
	if err != nil {
		return nil, err
	}
	var out []PropertyDifference
	show := func(raw []byte) string {
		d := decoder{rest: raw}
		return d.value(0)
	}
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || len(left) > 0 && left[0].name < right[0].name:
			out = append(out, PropertyDifference{left[0].name, show(left[0].raw), "(missing)"})
			left = left[1:]
		case len(left) == 0 || right[0].name < left[0].name:
			out = append(out, PropertyDifference{right[0].name, "(missing)", show(right[0].raw)})
			right = right[1:]
		default:
			if !bytes.Equal(left[0].raw, right[0].raw) {
				out = append(out, PropertyDifference{left[0].name, show(left[0].raw), show(right[0].raw)})
			}
			left, right = left[1:], right[1:]
		}
	}
	return out, nil
}

type namedValue struct {
	name string
	raw  []byte // tag and payload
}

func decodeTop(raw []byte) ([]namedValue, error) {
	d := decoder{rest: raw}
	n := d.uvarint()
	var out []namedValue
	for range n {
		name := d.text()
		begin := d.rest
		d.value(0)
		if d.bad {
			break
		}
		if len(out) > 0 && name <= out[len(out)-1].name {
			d.bad = true
			break
		}
		out = append(out, namedValue{name, begin[:len(begin)-len(d.rest)]})
	}
	if d.bad || len(d.rest) > 0 {
		return nil, errors.New("weaviate: not a canonical form of properties")
	}
	return out, nil
}

// decoder reads a canonical form. After the first wrong byte bad is set and everything reads as empty.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || d.bad {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) text() string { return string(d.take(d.uvarint())) }

func (d *decoder) uint64() uint64 {
	if raw := d.take(8); raw != nil {
		return binary.BigEndian.Uint64(raw)
	}
	return 0
}

func (d *decoder) float32() float32 {
	if raw := d.take(4); raw != nil {
		return math.Float32frombits(binary.BigEndian.Uint32(raw))
	}
	return 0
}

const maxDepth = 1000 // of nested objects and lists; encoding/json stops at 10,000, the server far below

// value reads one value and renders it like JSON.
func (d *decoder) value(depth int) string {
	tag := d.take(1)
	if d.bad || depth > maxDepth {
		d.bad, d.rest = true, nil
		return ""
	}
	switch tag[0] {
	case tagNull:
		return "null"
	case tagBool:
		if raw := d.take(1); raw != nil {
			return strconv.FormatBool(raw[0] != 0)
		}
		return ""
	case tagNumber:
		return number(math.Float64frombits(d.uint64()))
	case tagInt:
		return strconv.FormatInt(int64(d.uint64()), 10)
	case tagLiteral:
		return d.text()
	case tagText, tagDate, tagUUID:
		return strconv.Quote(d.text())
	case tagBlob:
		return fmt.Sprintf("blob of %d bytes", base64.StdEncoding.DecodedLen(len(d.text())))
	case tagGeo:
		return fmt.Sprintf("{latitude: %v, longitude: %v}", d.float32(), d.float32())
	case tagPhone:
		var parts []string
		for range 7 {
			parts = append(parts, d.text())
		}
		return fmt.Sprintf("phone%q", parts)
	case tagNumbers, tagInts:
		raw := d.take(d.uvarint())
		var parts []string
		for ; len(raw) >= 8; raw = raw[8:] {
			bits := binary.LittleEndian.Uint64(raw)
			if tag[0] == tagInts {
				parts = append(parts, strconv.FormatInt(int64(bits), 10))
			} else {
				parts = append(parts, number(math.Float64frombits(bits)))
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case tagList:
		var parts []string
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			parts = append(parts, d.value(depth+1))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case tagObject:
		var parts []string
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			name := d.text()
			parts = append(parts, name+": "+d.value(depth+1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		d.bad, d.rest = true, nil
		return ""
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

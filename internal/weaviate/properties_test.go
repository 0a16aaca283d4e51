package weaviate

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// value draws a JSON value as a property may hold one.
func value(depth int) *rapid.Generator[any] {
	choices := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.SampledFrom([]any{"", "2026-01-02T03:04:05Z", 0, -1, 0.5, 1e300, 1e-7}),
		rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }).AsAny(),
	}
	if depth > 0 {
		choices = append(choices, rapid.SliceOfN(value(depth-1), 0, 4).AsAny(), fields(depth-1).AsAny())
	}
	return rapid.OneOf(choices...)
}

func fields(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), value(depth), 0, 5)
}

// scrambled writes an object with its keys in a drawn order and room between them.
func scrambled(t *rapid.T, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var names []string
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		var parts []string
		for _, name := range rapid.Permutation(names).Draw(t, "order") {
			raw, _ := json.Marshal(name)
			parts = append(parts, string(raw)+" : "+scrambled(t, v[name]))
		}
		return "{ " + strings.Join(parts, ",\n") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, scrambled(t, item))
		}
		return "[" + strings.Join(parts, " , ") + " ]"
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
}

// TestCanonicalForm: the same properties have the same bytes however they are written, different ones have different bytes, and the property that differs is named.
func TestCanonicalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := fields(3).Draw(t, "a")
		first, err := propertiesFromJSON([]byte(scrambled(t, a)))
		if err != nil {
			t.Fatal(err)
		}
		again, err := propertiesFromJSON([]byte(scrambled(t, a)))
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the order of keys matters: %q, %q, %v", first, again, err)
		}
		if d, err := DiffProperties(first, again); err != nil || len(d) > 0 {
			t.Fatalf("%v, %v", d, err)
		}
		b := map[string]any{}
		for name, v := range a {
			b[name] = v
		}
		name := rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "changed")
		if _, there := b[name]; there && rapid.Bool().Draw(t, "removed") {
			delete(b, name)
		} else {
			b[name] = value(2).Draw(t, "to")
		}
		before, _ := json.Marshal(a)
		after, _ := json.Marshal(b)
		second, err := propertiesFromJSON(after)
		if err != nil {
			t.Fatal(err)
		}
		same := bytes.Equal(before, after) // both with their keys sorted
		if bytes.Equal(first, second) != same {
			t.Fatalf("%s and %s: equal bytes is %t", before, after, !same)
		}
		d, err := DiffProperties(first, second)
		if err != nil || same != (len(d) == 0) || len(d) > 0 && (len(d) != 1 || d[0].Name != name) {
			t.Fatalf("%s and %s: %v, %v", before, after, d, err)
		}
	})
}

func TestNumbersAreKeptApart(t *testing.T) {
	different := []string{"0", "-0", "1", "1.5", "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1e400", "1e401", "0.1234567890123456789012345", `"1"`, "null", "[1]", "[]", "{}", "true", "false"}
	seen := map[string]string{}
	for _, n := range different {
		raw, err := propertiesFromJSON([]byte(`{"n":` + n + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if other, there := seen[string(raw)]; there {
			t.Errorf("%s and %s are one", n, other)
		}
		seen[string(raw)] = n
	}
}

// TestMessagesAreCanonical: over gRPC the order in which the fields of a message arrive means nothing.
func TestMessagesAreCanonical(t *testing.T) {
	p := &pb.Properties{Fields: map[string]*pb.Value{}}
	for _, name := range []string{"b", "a", "d", "c"} {
		p.Fields[name] = &pb.Value{Kind: &pb.Value_TextValue{TextValue: name}}
	}
	p.Fields["list"] = &pb.Value{Kind: &pb.Value_ListValue{ListValue: &pb.ListValue{Kind: &pb.ListValue_ObjectValues{ObjectValues: &pb.ObjectValues{Values: []*pb.Properties{{Fields: map[string]*pb.Value{
		"x": {Kind: &pb.Value_IntValue{IntValue: 1}}, "y": {Kind: &pb.Value_NullValue{}}, "z": {Kind: &pb.Value_NumberValue{NumberValue: 0.5}},
	}}}}}}}}
	want := appendProperties(nil, p)
	for range 20 {
		if got := appendProperties(nil, proto.Clone(p).(*pb.Properties)); !bytes.Equal(got, want) {
			t.Fatalf("%q and %q", got, want)
		}
	}
	if d, err := DiffProperties(want, []byte{0}); err != nil || len(d) != 5 || d[4].A != "[{x: 1, y: null, z: 0.5}]" {
		t.Errorf("%+v, %v", d, err)
	}
}

func FuzzPropertiesFromJSON(f *testing.F) {
	for _, s := range []string{`{}`, `null`, ``, `{"a":1,"a":2}`, `{"a":{"b":[1,2.5,"x",null,true,{"c":-0}]}}`, `{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, `[`, `{"a":1e999999}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		canonical, err := propertiesFromJSON(raw)
		if err != nil {
			return
		}
		if d, err := DiffProperties(canonical, canonical); len(d) > 0 || err != nil && nesting(raw) < maxDepth {
			t.Fatalf("%q: %v, %v", canonical, d, err)
		}
	})
}

// nesting is an upper bound of how deep JSON nests.
func nesting(raw []byte) int { return bytes.Count(raw, []byte("[")) + bytes.Count(raw, []byte("{")) }

func FuzzDiffProperties(f *testing.F) {
	one, err := propertiesFromJSON([]byte(`{"a":1,"b":[true,"x",{"c":0.5}],"d":12345678901234567890}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one, []byte{0})
	f.Add([]byte{}, []byte{1})
	f.Add(append([]byte{1, 1, 'a'}, bytes.Repeat([]byte{tagList, 1}, 5000)...), one)
	f.Add([]byte{1, 1, 'a', tagNumbers, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, one)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d, err := DiffProperties(a, b)
		if err == nil && bytes.Equal(a, b) != (len(d) == 0) {
			t.Fatalf("%q and %q: %v", a, b, d)
		}
	})
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{
		`{"id":"00000000-0000-0000-0000-000000000001","creationTimeUnix":1,"lastUpdateTimeUnix":2,"vector":[0.5,1],"properties":{"a":1}}`,
		`{"id":"00000000-0000-0000-0000-000000000001","creationTimeUnix":1,"lastUpdateTimeUnix":2,"vectors":{"a":[1],"b":[[1,2],[3,4]],"c":[],"d":null}}`,
		`{"id":"00000000-0000-0000-0000-000000000001","creationTimeUnix":1,"lastUpdateTimeUnix":2,"vectors":{"b":[[],[]],"c":[[1],[2,3]]}}`,
		`{"id":"x"}`, `{}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseObject(raw)
		if err != nil {
			return
		}
		again, err := ParseObject(raw)
		if err != nil || !o.Equal(&again) {
			t.Fatalf("%+v and %+v, %v", o, again, err)
		}
		for _, v := range o.Vectors {
			if v.Shape() == "" || len(v.Bytes) == 0 {
				t.Fatalf("%+v", v)
			}
		}
	})
}

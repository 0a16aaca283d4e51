package weaviate

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	pb "github.com/weaviate/weaviate/grpc/generated/protocol/v1"
)

func TestFields(t *testing.T) {
	number := func(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }
	value := func(v any) *pb.Value {
		switch v := v.(type) {
		case string:
			return &pb.Value{Kind: &pb.Value_TextValue{TextValue: v}}
		case int:
			return &pb.Value{Kind: &pb.Value_IntValue{IntValue: int64(v)}}
		case *pb.ListValue:
			return &pb.Value{Kind: &pb.Value_ListValue{ListValue: v}}
		case *pb.GeoCoordinate:
			return &pb.Value{Kind: &pb.Value_GeoValue{GeoValue: v}}
		case *pb.PhoneNumber:
			return &pb.Value{Kind: &pb.Value_PhoneValue{PhoneValue: v}}
		case *pb.Properties:
			return &pb.Value{Kind: &pb.Value_ObjectValue{ObjectValue: v}}
		}
		return &pb.Value{}
	}
	raw := appendProperties(nil, &pb.Properties{Fields: map[string]*pb.Value{
		"a": value("text"), "b": value(7), "c": value(nil), "d": value(&pb.GeoCoordinate{Latitude: 1.5, Longitude: -2}), "e": value(&pb.PhoneNumber{Input: "1"}),
		"f": value(&pb.Properties{Fields: map[string]*pb.Value{"x": value("y")}}), "g": value(&pb.ListValue{Kind: &pb.ListValue_TextValues{TextValues: &pb.TextValues{Values: []string{"p", "q"}}}}),
		"h": value(&pb.ListValue{Kind: &pb.ListValue_NumberValues{NumberValues: &pb.NumberValues{Values: append(number(0.5), number(-1)...)}}}),
		"i": value(&pb.ListValue{Kind: &pb.ListValue_BoolValues{BoolValues: &pb.BoolValues{Values: []bool{true, false}}}}), "j": value(&pb.ListValue{}), "k": value("last"),
	}})
	want := map[string]string{
		"a": "[text] false", "b": "[7] false", "c": "[] false", "d": "[{1.5 -2}] false", "e": "[] false", "f": "[] false", "g": "[p q] true", "h": "[0.5 -1] true", "i": "[true false] true", "j": "[] true", "k": "[last] false",
	}
	got := map[string]string{}
	for name, v := range Fields(raw) {
		got[name] = fmt.Sprint(slices.Collect(v.Scalars()), v.List())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// FuzzFields: whatever the bytes, nothing breaks, and what is a canonical form has the properties that a comparison sees.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[1.5,"x",null,{"c":true}],"d":{"e":[]}}`} {
		raw, err := propertiesFromJSON([]byte(seed))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var names []string
		for name, v := range Fields(raw) {
			names = append(names, name)
			for range v.Scalars() {
			}
		}
		whole, err := decodeTop(raw)
		if err == nil && !slices.EqualFunc(whole, names, func(v namedValue, name string) bool { return v.name == name }) {
			t.Fatalf("%q of %v", names, whole)
		}
	})
}

func TestConditions(t *testing.T) {
	for _, c := range []Condition{
		{"n", Equal, "int", "9007199254740993"}, {"n", GreaterOrEqual, "number", "0.1"}, {"b", Equal, "boolean", "true"}, {"t", ContainsAny, "text", `a "quoted" word`}, {"d", GreaterOrEqual, "date", "2026-01-01T00:00:00Z"},
		{"l", ContainsAny, "int", "-3"}, {"p", Within, "geoCoordinates", "52.5,-13.25"},
	} {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Condition
		if err := json.Unmarshal(raw, &again); err != nil || again != c {
			t.Errorf("%s became %+v: %v", raw, again, err)
		}
		if _, err := all([]Condition{c}); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []Condition{{"n", Equal, "int", "1.5"}, {"n", Equal, "number", "many"}, {"b", Equal, "boolean", "perhaps"}, {"p", Within, "geoCoordinates", "here"}} {
		if _, err := all([]Condition{c}); err == nil {
			t.Errorf("%s is asked", c)
		}
	}
}

package verify

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weaviate-drill/weaviate-drill/internal/servertest"
	"github.com/weaviate-drill/weaviate-drill/internal/weaviate"
)

// valueCase is a value of a data type, and another that is as near to it as the type allows. gone stands for a property that is not there.
type valueCase struct {
	name, dataType string
	value, changed any
	rest           bool // gRPC leaves it out
}

type goneValue struct{}

var gone = goneValue{}

func valueCases() []valueCase {
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	tenth := math.Nextafter(0.1, 1)
	blob := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	beacon := func(i int) object { return object{"beacon": "weaviate://localhost/Target/" + id("Target", i)} }
	return []valueCase{
		{"text", "text", "as it was", "as it waS", false},
		{"textNormal", "text", composed, decomposed, false},
		{"textZero", "text", "a\x00b", "a\x00c", false},
		{"textEmpty", "text", "", gone, false},
		{"textLone", "text", gone, "it was not there", false},
		{"textWide", "text", "\U0001F600", "\U0001F601", false},
		{"texts", "text[]", []string{"a", "b"}, []string{"b", "a"}, false},
		{"textsEmpty", "text[]", []string{}, gone, false},
		{"textsOfOne", "text[]", []string{""}, []string{}, false},
		{"number", "number", 0.1, tenth, false},
		{"numberZero", "number", math.Copysign(0, -1), 0.0, false},
		{"numberSmall", "number", math.SmallestNonzeroFloat64, 0.0, false},
		{"numberBig", "number", math.MaxFloat64, math.Nextafter(math.MaxFloat64, 0), false},
		{"numberNone", "number", 0.0, gone, false},
		{"numbers", "number[]", []float64{1, 0.1}, []float64{1, tenth}, false},
		{"numbersEmpty", "number[]", []float64{}, gone, false},
		{"int", "int", int64(1)<<53 - 1, int64(1)<<53 - 2, false},
		{"intNegative", "int", -(int64(1) << 53), -(int64(1)<<53 - 1), false},
		{"intNone", "int", 0, gone, false},
		{"ints", "int[]", []int64{1, 2}, []int64{2, 1}, false},
		{"intsEmpty", "int[]", []int64{}, gone, false},
		{"boolean", "boolean", true, false, false},
		{"booleanNone", "boolean", false, gone, false},
		{"booleans", "boolean[]", []bool{true, false}, []bool{false, true}, false},
		{"date", "date", "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456788Z", false},
		{"dateZone", "date", "2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z", false}, // the same instant, and not what was written
		{"dates", "date[]", []string{"2026-01-02T03:04:05Z"}, []string{"2026-01-02T03:04:06Z"}, false},
		{"uuid", "uuid", id("u", 1), id("u", 2), false},
		{"uuids", "uuid[]", []string{id("u", 1), id("u", 2)}, []string{id("u", 2), id("u", 1)}, false},
		{"phone", "phoneNumber", object{"input": "+49 171 1234567"}, object{"input": "+49 171 1234568"}, false},
		{"geo", "geoCoordinates", object{"latitude": 52.5, "longitude": 13.375}, object{"latitude": 52.5, "longitude": math.Nextafter32(13.375, 14)}, false},
		{"object", "object", object{"name": "n", "size": 0.1}, object{"name": "n", "size": tenth}, false},
		{"objectLess", "object", object{"name": "n", "size": 1}, object{"name": "n"}, false},
		{"objectDeep", "object", object{"deep": object{"list": []string{"a", "b"}}}, object{"deep": object{"list": []string{"a", "c"}}}, false},
		{"objectEmpty", "object", object{}, gone, false},
		{"objects", "object[]", []object{{"name": "a"}, {"name": "b"}}, []object{{"name": "b"}, {"name": "a"}}, false},
		{"blob", "blob", blob("a picture"), blob("a pictura"), true},
		{"reference", "Target", []object{beacon(1)}, []object{beacon(2)}, true},
		{"references", "Target", []object{beacon(1), beacon(2)}, []object{beacon(1)}, true},
	}
}

// Every data type, in a backup that is restored: equal values match, and one that is changed as little as can be is named. Once as gRPC reads it and once as REST does.
func TestEveryDataType(t *testing.T) {
	server, b := servertest.Source(t)
	source := servertest.Dial(t, server)
	cases := valueCases()
	vectors := map[string][2]any{
		"vectors.single": {[]float32{0.1, 0.2}, []float32{0.1, math.Nextafter32(0.2, 1)}},
		"vectors.small":  {[]float32{1, math.SmallestNonzeroFloat32}, []float32{1, 0}},
		"vectors.multi":  {[][]float32{{1, 2}, {3, 4}}, [][]float32{{3, 4}, {1, 2}}},
	}
	nested := []object{
		{"name": "name", "dataType": []string{"text"}}, {"name": "size", "dataType": []string{"number"}},
		{"name": "deep", "dataType": []string{"object"}, "nestedProperties": []object{{"name": "list", "dataType": []string{"text[]"}}}},
	}
	do(t, source, http.MethodPost, "/schema", object{"class": "Target", "vectorizer": "none"})
	all := []object{{"class": "Target", "id": id("Target", 1)}, {"class": "Target", "id": id("Target", 2)}}
	batch(t, source, all) // what is referred to must be there
	for _, class := range []string{"TypesByGRPC", "TypesByREST"} {
		var properties []object
		for _, c := range cases {
			if c.rest && class == "TypesByGRPC" {
				continue
			}
			p := object{"name": c.name, "dataType": []string{c.dataType}}
			if strings.HasPrefix(c.dataType, "object") {
				p["nestedProperties"] = nested
			}
			properties = append(properties, p)
		}
		named := func(config object) object {
			config["distance"] = "dot" // cosine would be stored normalized
			return object{"vectorizer": object{"none": object{}}, "vectorIndexType": "hnsw", "vectorIndexConfig": config}
		}
		do(t, source, http.MethodPost, "/schema", object{"class": class, "properties": properties, "vectorConfig": object{
			"single": named(object{}), "small": named(object{}), "multi": named(object{"multivector": object{"enabled": true}}),
		}})
		for i, c := range cases {
			if c.rest && class == "TypesByGRPC" {
				continue
			}
			for _, twin := range []int{0, 1000} { // the one to be changed, and the one that stays
				properties := object{"text": "beside"}
				if c.value != gone {
					properties[c.name] = c.value
				}
				all = append(all, object{"class": class, "id": id(class, twin+i), "properties": properties})
			}
		}
		for name, v := range vectors {
			all = append(all, object{"class": class, "id": id(class+name, 0), "properties": object{"text": "x"}, "vectors": object{strings.TrimPrefix(name, "vectors."): v[0]}})
		}
	}
	t.Cleanup(func() {
		for _, class := range []string{"TypesByGRPC", "TypesByREST", "Target"} {
			do(t, source, http.MethodDelete, "/schema/"+class, nil)
		}
	})
	batch(t, source, all)
	time.Sleep(2 * time.Second)
	if _, err := source.CreateBackup(t.Context(), weaviate.BackupRequest{ID: "types", Include: []string{"Types*", "Target"}}); err != nil {
		t.Fatal(err)
	}
	await(t, func() (weaviate.BackupStatus, error) {
		return source.BackupStatus(t.Context(), "types", weaviate.Location{})
	})
	restored := servertest.Dial(t, servertest.Weaviate(t, b, nil))
	restore(t, restored, "types")
	options := Options{Excluded: leftOut(t, source, "TypesByGRPC", "TypesByREST", "Target")}
	if r := compare(t, source, restored, options); r.Outcome() != Passed || r.Verdicts != (Verdicts{Match: int64(len(all))}) {
		dump(t, r)
		t.Fatalf("equal: %s", r.Outcome())
	}

	for _, class := range []string{"TypesByGRPC", "TypesByREST"} {
		patch := func(id string, change object) {
			change["class"] = class
			do(t, restored, http.MethodPatch, "/objects/"+class+"/"+id, change)
		}
		for i, c := range cases {
			switch {
			case c.rest && class == "TypesByGRPC":
			case c.changed == gone:
				patch(id(class, i), object{"properties": object{c.name: nil}})
			case c.dataType == "Target":
				do(t, restored, http.MethodPut, "/objects/"+class+"/"+id(class, i)+"/references/"+c.name, c.changed)
			default:
				patch(id(class, i), object{"properties": object{c.name: c.changed}})
			}
		}
		for name, v := range vectors {
			patch(id(class+name, 0), object{"vectors": object{strings.TrimPrefix(name, "vectors."): v[1]}})
		}
	}
	r := compare(t, source, restored, options)
	var changed int64
	for _, class := range []string{"TypesByGRPC", "TypesByREST"} {
		named := func(id, field, what string) {
			changed++
			d := r.find(id)
			if d.Verdict != Corrupt || !slices.Equal(d.Fields, []string{field, "lastUpdateTime"}) || !strings.HasPrefix(d.Detail, field+": source ") {
				t.Errorf("%s of %s: %s, %v, %s", what, class, d.Verdict, d.Fields, d.Detail)
			}
		}
		for i, c := range cases {
			if !c.rest || class != "TypesByGRPC" {
				named(id(class, i), "properties."+c.name, fmt.Sprintf("%s %s (%v changed to %v)", c.dataType, c.name, c.value, c.changed))
			}
		}
		for name := range vectors {
			named(id(class+name, 0), name, name)
		}
	}
	if r.Outcome() != Failed || r.Verdicts != (Verdicts{Match: int64(len(all)) - changed, Corrupt: changed}) {
		t.Errorf("%s, %+v, %d changed of %d", r.Outcome(), r.Verdicts, changed, len(all))
	}
}

package bucket

import (
	"bytes"
	"encoding/xml"
	"testing"
)

// FuzzRoot: the root element of an answer is told by its beginning: what follows, and whether it is broken, does not matter.
func FuzzRoot(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>a</ID></Rule></LifecycleConfiguration>`))
	f.Add([]byte(`<!-- <a> --><!DOCTYPE html><html><body>504 Gateway Time-out<br>`))
	f.Add([]byte(`<s3:Error xmlns:s3="x">`))
	f.Add([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?><html>`))
	f.Add([]byte(`{"Error":"<a/>"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		name, err := root(bytes.NewReader(answer))
		if err != nil {
			t.Fatalf("an error, though the answer could be read: %v", err)
		}
		more, err := root(bytes.NewReader(append(bytes.Clone(answer), "<b></c>"...)))
		if name != "" && (err != nil || more != name) {
			t.Errorf("the root is %q, and with more after it %q, %v", name, more, err)
		}
		// A document that is whole has the root that the decoder of Go finds.
		var document struct{ XMLName xml.Name }
		if err := xml.Unmarshal(answer, &document); err == nil && document.XMLName.Local != name {
			t.Errorf("the root is %q and not %q", document.XMLName.Local, name)
		}
	})
}

package spelling

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"bucket", "backup", "verify"}
	for _, tt := range []struct {
		word, want string
		edits      int
	}{
		{"bukcet", "bucket", 2}, {"bakup", "backup", 1}, {"verify", "verify", 0}, {"", "bucket", 6},
	} {
		if got, edits := Nearest(tt.word, known); got != tt.want || edits != tt.edits {
			t.Errorf("%q: %s after %d edits, want %s after %d", tt.word, got, edits, tt.want, tt.edits)
		}
	}
	if got, _ := Nearest("x", nil); got != "" {
		t.Errorf("nothing is known, and yet %q", got)
	}
}

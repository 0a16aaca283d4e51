package bucket

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"
)

// TestSelectsProperties asks of single objects, by the rules of S3, whether a filter selects them: all backups are said to be reached only when every object of every backup is, and none only when no object is.
func TestSelectsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab/]{0,4}`)
		maybe := func(label string) *string {
			if rapid.Bool().Draw(t, label+" given") {
				return aws.String(text.Draw(t, label))
			}
			return nil
		}
		size := func(label string) *int64 {
			if rapid.IntRange(0, 3).Draw(t, label+" given") == 0 {
				return aws.Int64(rapid.Int64Range(1, 100).Draw(t, label))
			}
			return nil
		}
		var tags []types.Tag
		if rapid.IntRange(0, 3).Draw(t, "tagged") == 0 {
			tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
		}
		// A filter has one member (https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRuleFilter.html), and rules of the first version of the API a prefix instead.
		var prefix *string
		var greater, less *int64
		var rule types.LifecycleRule
		switch rapid.IntRange(0, 5).Draw(t, "form") {
		case 0:
			prefix, tags = maybe("prefix"), nil
			rule.Prefix = prefix //nolint:staticcheck // such rules are still answered
		case 1:
			prefix, tags = maybe("prefix"), nil
			rule.Filter = &types.LifecycleRuleFilter{Prefix: prefix}
		case 2:
			greater, tags = size("greater"), nil
			rule.Filter = &types.LifecycleRuleFilter{ObjectSizeGreaterThan: greater}
		case 3:
			less, tags = size("less"), nil
			rule.Filter = &types.LifecycleRuleFilter{ObjectSizeLessThan: less}
		case 4:
			if tags != nil {
				rule.Filter = &types.LifecycleRuleFilter{Tag: &tags[0]}
			}
		default:
			prefix, greater, less = maybe("prefix"), size("greater"), size("less")
			rule.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: prefix, Tags: tags, ObjectSizeGreaterThan: greater, ObjectSizeLessThan: less}}
		}
		backups := text.Draw(t, "backups below")
		reached, words := selectorOf(rule).reach(backups)
		if (words == "") != (value(prefix) == "" && greater == nil && less == nil && tags == nil) {
			t.Fatalf("the filter is told as %q", words)
		}
		for range 20 {
			key, bytes := backups+text.Draw(t, "key"), rapid.Int64Range(0, 110).Draw(t, "bytes")
			selected := strings.HasPrefix(key, value(prefix)) && (greater == nil || bytes > *greater) && (less == nil || bytes < *less) && len(tags) == 0 // Weaviate tags nothing
			if reached == all && !selected || reached == none && selected {
				t.Fatalf("reach %d of %q, and %s of %d bytes is selected: %v", reached, words, key, bytes, selected)
			}
		}
		if reached == some && greater == nil && less == nil && (value(prefix) == backups || !strings.HasPrefix(value(prefix), backups)) {
			t.Fatalf("%q selects all backups below %q or none", words, backups)
		}
	})
}

// TestFateProperties: whatever the rules, changes come in order, an expiry is the last, each is due at a midnight no sooner than asked and within a day of it; the order of the rules does not matter,
// a disabled one changes nothing, and one more never lets an object be read longer.
func TestFateProperties(t *testing.T) {
	day := 24 * time.Hour
	rapid.Check(t, func(t *rapid.T) {
		written := time.Unix(rapid.Int64Range(1_500_000_000, 1_700_000_000).Draw(t, "written"), 0)
		age := func() *int32 { return aws.Int32(rapid.Int32Range(0, 4).Draw(t, "age")) }
		rule := func(number int) types.LifecycleRule {
			r := types.LifecycleRule{ID: aws.String(string(rune('a' + number))), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String(rapid.SampledFrom([]string{"", "k", "x"}).Draw(t, "prefix"))}}
			if rapid.Bool().Draw(t, "expires") {
				r.Expiration = &types.LifecycleExpiration{Days: age()}
			}
			if rapid.Bool().Draw(t, "moves") {
				r.Transitions = []types.Transition{{Days: age(), StorageClass: types.TransitionStorageClass(rapid.SampledFrom(classes[1:]).Draw(t, "class"))}}
			}
			return r
		}
		given := make([]types.LifecycleRule, rapid.IntRange(0, 4).Draw(t, "rules"))
		for i := range given {
			given[i] = rule(i)
		}
		of := func(rules []types.LifecycleRule) Lifecycle {
			return newLifecycle(&s3.GetBucketLifecycleConfigurationOutput{Rules: rules}, "")
		}
		v := Version{Key: "k", Bytes: 1 << 20, LastModified: written}
		fate := of(given).Fate(v)
		for i, c := range fate {
			if wait := c.At.Sub(written); c.At.Truncate(day) != c.At || wait <= 0 || wait > 5*day || i > 0 && c.At.Before(fate[i-1].At) || c.Class == "" && i < len(fate)-1 {
				t.Fatalf("change %d of %v", i, fate)
			}
			n := slices.IndexFunc(given, func(r types.LifecycleRule) bool { return c.Rule == "rule "+strconv.Quote(*r.ID) })
			asked := value(given[n].Expiration).Days
			if c.Class != "" {
				asked = given[n].Transitions[0].Days
			}
			if late := c.At.Sub(written.Add(time.Duration(*asked) * day)); late <= 0 || late > day {
				t.Fatalf("%s is %s after %d days", c, late, *asked)
			}
		}
		end, ends := of(given).End(v)
		turned := slices.Clone(given)
		slices.Reverse(turned)
		if other, also := of(turned).End(v); also != ends || !other.At.Equal(end.At) {
			t.Fatalf("%v becomes %v when the rules are turned around", end, other)
		}
		more := rule(len(given))
		if other, also := of(append(given, more)).End(v); ends && (!also || other.At.After(end.At)) {
			t.Fatalf("%v becomes %v by one more rule", end, other)
		}
		more.Status = types.ExpirationStatusDisabled
		if after := of(append(given, more)).Fate(v); !slices.Equal(after, fate) {
			t.Fatalf("%v becomes %v by a disabled rule", fate, after)
		}
	})
}

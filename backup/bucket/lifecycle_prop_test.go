package bucket

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
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
		reached, words := selects(rule, backups)
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

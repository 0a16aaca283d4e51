package bucket

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Every form of filter of https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRuleFilter.html.
func TestSelects(t *testing.T) {
	prefix := func(p string) types.LifecycleRule {
		return types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: &p}}
	}
	filter := func(f types.LifecycleRuleFilter) types.LifecycleRule { return types.LifecycleRule{Filter: &f} }
	and := func(a types.LifecycleRuleAndOperator) types.LifecycleRule {
		return filter(types.LifecycleRuleFilter{And: &a})
	}
	tag := types.Tag{Key: aws.String("k"), Value: aws.String("v")}
	tests := []struct {
		name    string
		rule    types.LifecycleRule
		backups string
		reach   reach
		filter  string
	}{
		{"no filter", types.LifecycleRule{}, "backups/", all, ""},
		{"empty filter", filter(types.LifecycleRuleFilter{}), "backups/", all, ""},
		{"empty prefix", prefix(""), "backups/", all, ""},
		{"the prefix", prefix("backups/"), "backups/", all, "keys that begin with backups/"},
		{"the prefix without a slash", prefix("backups"), "backups/", all, "keys that begin with backups"},
		{"a shorter prefix", prefix("b"), "backups/", all, "keys that begin with b"},
		{"one backup", prefix("backups/drill-1/"), "backups/", some, "keys that begin with backups/drill-1/"},
		{"another prefix", prefix("backups-old/"), "backups/", none, "keys that begin with backups-old/"},
		{"a leading slash", prefix("/backups/"), "backups/", none, "keys that begin with /backups/"},
		{"any prefix, backups at the root", prefix("x"), "", some, "keys that begin with x"},
		{"no prefix, backups at the root", prefix(""), "", all, ""},
		{"tag", filter(types.LifecycleRuleFilter{Tag: &tag}), "backups/", none, "objects tagged k=v"},
		{"larger", filter(types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(1)}), "backups/", some, "objects larger than 1 bytes"},
		{"smaller", filter(types.LifecycleRuleFilter{ObjectSizeLessThan: aws.Int64(9)}), "backups/", some, "objects smaller than 9 bytes"},
		{"prefix and tag", and(types.LifecycleRuleAndOperator{Prefix: aws.String("backups/"), Tags: []types.Tag{tag}}), "backups/", none, "keys that begin with backups/, objects tagged k=v"},
		{"two tags", and(types.LifecycleRuleAndOperator{Tags: []types.Tag{tag, tag}}), "backups/", none, "objects tagged k=v, objects tagged k=v"},
		{
			"prefix and sizes", and(types.LifecycleRuleAndOperator{Prefix: aws.String("backups/"), ObjectSizeGreaterThan: aws.Int64(1), ObjectSizeLessThan: aws.Int64(9)}),
			"backups/", some, "keys that begin with backups/, objects larger than 1 bytes, objects smaller than 9 bytes",
		},
		{"other prefix and size", and(types.LifecycleRuleAndOperator{Prefix: aws.String("logs/"), ObjectSizeGreaterThan: aws.Int64(1)}), "backups/", none, "keys that begin with logs/, objects larger than 1 bytes"},
	}
	for _, test := range tests {
		if reach, filter := selectorOf(test.rule).reach(test.backups); reach != test.reach || filter != test.filter {
			t.Errorf("%s: %d, %q", test.name, reach, filter)
		}
	}
}

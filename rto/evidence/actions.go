package evidence

// The IAM actions that a store in S3 needs; its bucket is named in evidence.s3. Nothing else is asked of it, and no record or inventory is ever removed. Where the bucket's default encryption is SSE-KMS, its
// key must grant kms:GenerateDataKey and kms:Decrypt besides.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html; that a write with a condition needs s3:GetObject too stands under
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
var (
	BucketActions  = []string{"s3:ListBucket"}                 // on the bucket; with a condition on s3:prefix S3 may deny where it should say "missing"
	ObjectActions  = []string{"s3:GetObject", "s3:PutObject"}  // on every object below the path
	JournalActions = []string{"s3:DeleteObject"}               // on the objects below the path and running/
	ReadActions    = []string{"s3:ListBucket", "s3:GetObject"} // all that report and history need
)

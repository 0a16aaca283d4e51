output "bucket" {
  description = "Name of the bucket, once it is fit to be written to."
  value       = aws_s3_bucket.bucket.id
  depends_on  = [aws_s3_bucket_server_side_encryption_configuration.bucket, aws_s3_bucket_policy.bucket, aws_s3_bucket_public_access_block.bucket]
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts it."
  value       = aws_kms_key.key.arn
}

# What each role may do, as JSON. It needs no provider, so that any Terraform shows it without an account:
# terraform init && terraform apply -var-file=some.tfvars.json. The documents are templates beside this file; roles.json says which of them make up a role.

terraform {
  required_version = ">= 1.5"
}

variable "partition" {
  description = "aws, aws-cn, aws-us-gov, ..."
  type        = string
  default     = "aws"
}

variable "s3_service" {
  description = "S3 as KMS knows it in the region of the buckets, such as s3.eu-central-1.amazonaws.com: the keys can be used through it only."
  type        = string
}

variable "backups" {
  description = "Where Weaviate writes its backups: BACKUP_S3_BUCKET, BACKUP_S3_PATH (empty: the whole bucket), and the bucket's KMS key when it has one."
  type = object({
    bucket      = string
    path        = optional(string, "")
    kms_key_arn = optional(string)
  })
}

variable "copy" {
  description = "Where drills copy a backup to, with restore.from: copy; the key too, also where it is that of the backups. Null: drills restore in place."
  type = object({
    bucket      = string
    path        = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "evidence" {
  description = "Where the records of drills are kept, with evidence.s3. Null: not in S3."
  type = object({
    bucket      = string
    path        = optional(string, "")
    kms_key_arn = optional(string)
  })
  default = null
}

variable "account" {
  description = "Lets the audit look beside the bucket: at volumes and trails, at the keys of the volumes, and by simulation at what the role of the restore may do. Null: those checks are unknown."
  type = object({
    restore_role_arn = string
    volume_key_arns  = optional(list(string), [])
  })
  default = null
}

locals {
  places = {
    for name, place in { backups = var.backups, copies = var.copy, evidence = var.evidence, restored = coalesce(var.copy, var.backups) } :
    name => place == null ? null : {
      bucket_arn = "arn:${var.partition}:s3:::${place.bucket}"
      below      = join("/", compact(["arn:${var.partition}:s3:::${place.bucket}", trim(place.path, "/")]))
      key        = place.kms_key_arn
    }
  }

  # The values of the templates. A template of what is not there is not asked for.
  values = {
    bucket_arn          = local.places.backups.bucket_arn
    backups             = "${local.places.backups.below}/*"
    restored_bucket_arn = local.places.restored.bucket_arn
    restored            = "${local.places.restored.below}/*"
    copy_bucket_arn     = try(local.places.copies.bucket_arn, "")
    copies              = try("${local.places.copies.below}/*", "")
    evidence_bucket_arn = try(local.places.evidence.bucket_arn, "")
    evidence            = try(local.places.evidence.below, "")
    s3_service          = var.s3_service
    restore_role_arn    = try(var.account.restore_role_arn, "")
    described_keys      = jsonencode(local.described)
  }

  keys      = { for name, place in local.places : name => try(place.key, null) == null ? [] : [place.key] }
  described = distinct(concat(local.keys.backups, try(var.account.volume_key_arns, [])))
  decrypts = {
    auditor = []
    source  = local.keys.backups
    restore = local.keys.restored
    tool    = distinct(concat(local.keys.backups, local.keys.copies, local.keys.evidence))
  }
  encrypts = {
    auditor = []
    source  = local.keys.backups
    restore = local.keys.restored
    tool    = distinct(concat(local.keys.restored, local.keys.evidence))
  }

  roles = {
    for role, conditions in jsondecode(file("${path.module}/roles.json")) : role => flatten([
      for condition, documents in conditions : [
        for document in documents : jsondecode(templatefile("${path.module}/${document}.json.tftpl", merge(local.values, {
          decrypt_keys = jsonencode(local.decrypts[role])
          encrypt_keys = jsonencode(local.encrypts[role])
        }))).Statement
        ] if {
        "always"            = true
        "in place"          = var.copy == null
        "by copy"           = var.copy != null
        "evidence in s3"    = var.evidence != null
        "beside the bucket" = var.account != null
        "describes keys"    = length(local.described) > 0
        "decrypts"          = length(local.decrypts[role]) > 0
        "encrypts"          = length(local.encrypts[role]) > 0
      }[condition]
    ])
  }
}

output "roles" {
  description = "The policy of each role: auditor, source, restore, tool."
  value       = { for role, statements in local.roles : role => jsonencode({ Version = "2012-10-17", Statement = statements }) }
}

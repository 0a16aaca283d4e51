# Backups of a Weaviate on EKS in a hardened bucket, drilled every week by the chart in deploy/chart, with the records in a bucket that nobody can tamper with.

provider "aws" {
  region = "eu-central-1"
}

locals {
  backups  = "example-weaviate-backups"
  evidence = "example-weaviate-drills"
}

variable "oidc_provider_arn" {
  description = "The IAM OIDC provider of the EKS cluster."
  type        = string
}

module "roles" {
  source = "../"

  oidc_provider_arn = var.oidc_provider_arn
  backups           = { bucket = local.backups, path = "production", kms_key_arn = module.backups.kms_key_arn }
  evidence          = { bucket = local.evidence, kms_key_arn = module.evidence.kms_key_arn }
  service_accounts = {
    source = { namespace = "weaviate", name = "weaviate" }
    tool   = { namespace = "weaviate-drill", name = "weaviate-drill" }
  }
}

module "backups" {
  source = "../bucket"

  bucket = local.backups
  users  = [for role in ["restore", "source", "tool"] : module.roles.role_arns[role]]
}

module "evidence" {
  source = "../bucket"

  bucket      = local.evidence
  users       = [module.roles.role_arns["tool"]]
  object_lock = { mode = "GOVERNANCE", days = 400 }
}

output "helm_values" {
  value = module.roles.helm_values
}

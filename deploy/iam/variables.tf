variable "name" {
  description = "The roles are named <name>-auditor, <name>-source, <name>-restore and <name>-tool."
  type        = string
  default     = "weaviate-drill"
}

variable "backups" {
  description = "Where Weaviate writes its backups: BACKUP_S3_BUCKET, BACKUP_S3_PATH (empty: the whole bucket), and the key of KMS that encrypts the bucket (null: none of your own)."
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

variable "audit_account" {
  description = "Let the auditor and the tool look beside the bucket too: describe EBS volumes and CloudTrail's trails, which no policy can narrow to some, and simulate the role of the restore. False: those checks of the audit are unknown."
  type        = bool
  default     = true
}

variable "volume_key_arns" {
  description = "The keys of KMS that encrypt the volumes of the source, for the audit to ask whether they rotate."
  type        = list(string)
  default     = []
}

variable "oidc_provider_arn" {
  description = "The IAM OIDC provider of the EKS cluster, by which its service accounts take roles."
  type        = string

  validation {
    condition     = can(regex(":oidc-provider/.", var.oidc_provider_arn))
    error_message = "This is no ARN of an OIDC provider: arn:aws:iam::ACCOUNT:oidc-provider/oidc.eks.REGION.amazonaws.com/id/ID."
  }
}

variable "service_accounts" {
  description = "The service accounts that may take the roles of the auditor and of the source (null: the role is not made), and of the tool: that of the chart in deploy/chart."
  type = object({
    auditor = optional(object({ namespace = string, name = string }))
    source  = optional(object({ namespace = string, name = string }))
    tool    = optional(object({ namespace = string, name = string }), { namespace = "weaviate-drill", name = "weaviate-drill" })
  })
  default = {}

  validation {
    condition     = alltrue([for account in values(var.service_accounts) : account == null || can(regex("^[a-z0-9.-]+$", "${account.namespace}${account.name}"))])
    error_message = "Each is one namespace and one service account, without wildcards."
  }
}

variable "sandbox_namespaces" {
  description = "The namespaces whose service account \"weaviate\" may take the role of the restore; each drill makes one of its own. * stands for any characters."
  type        = string
  default     = "weaviate-drill-*"

  validation {
    condition     = can(regex("^[a-z0-9-]{3,}[*]?$", var.sandbox_namespaces))
    error_message = "It begins with at least three characters that are no wildcard, and only its last may be one."
  }
}

variable "pod_identity_cluster" {
  description = "Name of an EKS cluster in this account and region whose Pod Identity gives the auditor, the source and the tool their roles. Null: IRSA does. The sandbox always uses IRSA."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary that your organisation wants on roles."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}

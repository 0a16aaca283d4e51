variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "users" {
  description = "ARNs of the roles that may use the bucket's key, through S3. What each may do with it, its own policy says."
  type        = list(string)

  validation {
    condition     = length(var.users) > 0
    error_message = "Without a role nobody can read or write: name those of the module deploy/iam."
  }
}

variable "noncurrent_days" {
  description = "For so many days a backup that was deleted or overwritten can be brought back."
  type        = number
  default     = 30
}

variable "object_lock" {
  description = "Object Lock: for so many days nobody can delete a version; in mode COMPLIANCE not even the account's root. Null: off. It can be switched on for a new bucket only by this module."
  type = object({
    mode = string
    days = number
  })
  default = null

  validation {
    condition     = var.object_lock == null || try(contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock.mode), false)
    error_message = "The mode is GOVERNANCE or COMPLIANCE."
  }
}

variable "access_log" {
  description = "Bucket and key prefix to which S3 writes who asked for what. That bucket must let logging.s3.amazonaws.com write. Null: off."
  type = object({
    bucket = string
    prefix = string
  })
  default = null
}

variable "tags" {
  description = "Tags of the bucket and its key."
  type        = map(string)
  default     = {}
}

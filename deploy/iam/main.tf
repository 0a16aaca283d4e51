data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition   = data.aws_partition.current.partition
  region      = data.aws_region.current.region
  oidc_issuer = regex(":oidc-provider/(.+)$", var.oidc_provider_arn)[0]

  # Pods of these take their role under one name that is known beforehand.
  accounts = { for role, account in var.service_accounts : role => account if account != null }

  trusted = {
    for role, account in local.accounts : role => templatefile(
      "${path.module}/policies/${var.pod_identity_cluster == null ? "trust-irsa" : "trust-pod-identity"}.json.tftpl",
      {
        oidc_provider_arn = var.oidc_provider_arn
        oidc_issuer       = local.oidc_issuer
        cluster_arn       = "arn:${local.partition}:eks:${local.region}:${data.aws_caller_identity.current.account_id}:cluster/${coalesce(var.pod_identity_cluster, "none")}"
        namespace         = account.namespace
        service_account   = account.name
      },
    )
  }

  # A sandbox has a namespace of its own, whose name nobody knows beforehand: so a pattern, and IRSA, because a Pod Identity association names one namespace.
  trusted_in_sandboxes = templatefile("${path.module}/policies/trust-irsa-sandbox.json.tftpl", {
    oidc_provider_arn = var.oidc_provider_arn
    oidc_issuer       = local.oidc_issuer
    namespace         = var.sandbox_namespaces
    service_account   = "weaviate"
  })
}

module "policies" {
  source = "./policies"

  partition  = local.partition
  s3_service = "s3.${local.region}.${data.aws_partition.current.dns_suffix}"
  backups    = var.backups
  copy       = var.copy
  evidence   = var.evidence
  account = var.audit_account ? {
    restore_role_arn = "arn:${local.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-restore"
    volume_key_arns  = var.volume_key_arns
  } : null
}

resource "aws_iam_role" "role" {
  for_each = merge(local.trusted, { restore = local.trusted_in_sandboxes })

  name                 = "${var.name}-${each.key}"
  description          = "weaviate-drill: ${each.key}"
  assume_role_policy   = each.value
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

# Inline: such a policy is attached to nobody else, and goes with its role.
resource "aws_iam_role_policy" "policy" {
  for_each = aws_iam_role.role

  name   = "weaviate-drill"
  role   = each.value.name
  policy = module.policies.roles[each.key]
}

resource "aws_eks_pod_identity_association" "association" {
  for_each = var.pod_identity_cluster == null ? {} : local.accounts

  cluster_name    = var.pod_identity_cluster
  namespace       = each.value.namespace
  service_account = each.value.name
  role_arn        = aws_iam_role.role[each.key].arn
  tags            = var.tags
}

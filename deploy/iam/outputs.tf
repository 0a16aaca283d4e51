output "role_arns" {
  description = "ARN of each role: restore always, auditor, source and tool where service_accounts has them."
  value       = { for name, role in aws_iam_role.role : name => role.arn }
}

output "policies" {
  description = "The policy of each role as JSON, also of those that are not made."
  value       = module.policies.roles
}

output "helm_values" {
  description = "Values of the chart in deploy/chart: the role of the tool's service account (with IRSA) and that of the sandboxes."
  value = yamlencode({
    serviceAccount = {
      annotations = { for key, arn in { "eks.amazonaws.com/role-arn" = aws_iam_role.role["tool"].arn } : key => arn if var.pod_identity_cluster == null }
    }
    config = {
      sandbox = {
        kubernetes = {
          service_account_annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.role["restore"].arn }
        }
      }
    }
  })
}

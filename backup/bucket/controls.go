package bucket

import (
	"slices"
	"strings"
)

// Control is what another catalogue demands, and a check looks at a part of.
type Control struct {
	Standard string `json:"standard"` // with its version, such as "CIS AWS Foundations Benchmark v5.0.0"
	Clause   string `json:"clause"`   // such as "2.1.4"
	Reason   string `json:"reason"`   // what the clause asks for, in a phrase
}

func (c Control) String() string { return c.Standard + " " + c.Clause }

// The catalogues, and where their texts stand. Security Hub's page also tells which clauses of CIS, NIST and PCI DSS AWS itself sees behind a control.
const (
	securityHub = "AWS Security Hub"                     // https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html, kms-controls.html, cloudtrail-controls.html, ec2-controls.html
	cis         = "CIS AWS Foundations Benchmark v5.0.0" // https://www.cisecurity.org/benchmark/amazon_web_services
	nist        = "NIST SP 800-53 Rev. 5"                // https://doi.org/10.6028/NIST.SP.800-53r5
	pci         = "PCI DSS v4.0.1"                       // https://www.pcisecuritystandards.org/document_library
	hipaa       = "HIPAA Security Rule"                  // https://www.ecfr.gov/current/title-45/part-164/subpart-C
	iso         = "ISO/IEC 27001:2022"                   // https://www.iso.org/standard/27001, Annex A
	soc2        = "SOC 2 (TSC 2017)"                     // https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
	dora        = "DORA (EU) 2022/2554"                  // https://eur-lex.europa.eu/eli/reg/2022/2554/oj
)

// Clauses that several checks look at.
var (
	nistBackup     = Control{nist, "CP-9", "confidentiality, integrity and availability of backups are protected"}
	nistBoundary   = Control{nist, "SC-7", "what is public is separated from what is internal"}
	nistAccess     = Control{nist, "AC-3", "approved authorizations are enforced for access"}
	nistAlternate  = Control{nist, "CP-6", "backups are kept at an alternate storage site too"}
	nistKeys       = Control{nist, "SC-12", "cryptographic keys are established and managed"}
	nistRetention  = Control{nist, "SI-12", "information is kept as long as laws and policies ask"}
	pciReachable   = Control{pci, "1.4.4", "what stores cardholder data is not reached from untrusted networks"}
	hipaaAccess    = Control{hipaa, "164.312(a)(1)", "only who was granted access has it"}
	hipaaIntegrity = Control{hipaa, "164.312(c)(1)", "health information is not altered or destroyed improperly"}
	hipaaBackup    = Control{hipaa, "164.308(a)(7)(ii)(A)", "retrievable exact copies are kept"}
	isoAccess      = Control{iso, "A.8.3", "access to information is restricted"}
	isoBackup      = Control{iso, "A.8.13", "backup copies are maintained and tested"}
	isoCrypto      = Control{iso, "A.8.24", "cryptography and its keys are used by defined rules"}
	isoDeletion    = Control{iso, "A.8.10", "information is deleted when it is no longer required"}
	soc2Access     = Control{soc2, "CC6.1", "logical access controls protect information assets"}
	soc2Backup     = Control{soc2, "A1.2", "data backup processes and recovery infrastructure are designed and maintained"}
	doraAccess     = Control{dora, "Art. 9(4)(c)", "access is limited to what is required"}
	doraLoss       = Control{dora, "Art. 9(3)(c)", "breaches of confidentiality and the loss of data are prevented"}
	doraBackup     = Control{dora, "Art. 12(1)", "backups make it possible to restore with limited loss"}
	doraKeys       = Control{dora, "Art. 9(4)(d)", "data is encrypted, and cryptographic keys are protected"}

	least  = []Control{{nist, "AC-6", "only the accesses that a task needs are granted"}, isoAccess, soc2Access, doraAccess}
	public = []Control{nistAccess, nistBoundary, pciReachable, hipaaAccess, isoAccess, soc2Access, doraAccess}

	encrypted = []Control{
		{nist, "SC-28(1)", "information at rest is protected by cryptography"},
		{nist, "CP-9(8)", "backups are protected by cryptography"},
		{hipaa, "164.312(a)(2)(iv)", "health information can be encrypted and decrypted"},
		isoCrypto, soc2Access, doraKeys,
	}
	kept   = []Control{nistBackup, hipaaBackup, isoBackup, soc2Backup, doraBackup}
	locked = []Control{
		nistBackup, hipaaIntegrity,
		{iso, "A.5.33", "records are protected from loss, destruction and falsification"},
		soc2Backup, doraLoss,
	}
)

// controls are the clauses behind each check, by its id. A clause stands here only when its own text asks for what the check looks at; that a check passes is never all that a clause asks for.
var controls = map[string][]Control{
	"s3-default-encryption": encrypted,
	"s3-object-encryption":  encrypted,
	"s3-customer-key": {
		{securityHub, "S3.17", "buckets are encrypted with AWS KMS keys"},
		nistKeys, isoCrypto, doraKeys,
	},
	"s3-key-state": {
		{securityHub, "KMS.3", "KMS keys are not deleted unintentionally"},
		nistKeys, nistBackup, hipaaBackup, isoBackup, doraLoss,
	},
	"s3-key-rotation": {
		{securityHub, "KMS.4", "key rotation is enabled"},
		{cis, "3.6", "rotation of customer-managed symmetric keys is enabled"},
		nistKeys,
		{pci, "3.7.4", "keys are changed at the end of their cryptoperiod"},
		isoCrypto, doraKeys,
	},
	"s3-versioning": {
		{securityHub, "S3.14", "buckets have versioning enabled"},
		nistBackup, hipaaIntegrity, hipaaBackup, isoBackup, soc2Backup, doraLoss,
	},
	"s3-mfa-delete": {
		{securityHub, "S3.20", "buckets have MFA delete enabled"},
		{cis, "2.1.2", "buckets have MFA delete enabled"},
		nistBackup, hipaaIntegrity, doraLoss,
	},
	"s3-lifecycle": {
		{securityHub, "S3.13", "buckets have lifecycle configurations"},
		{securityHub, "S3.10", "versioned buckets have lifecycle configurations"},
		nistRetention,
	},
	"s3-lifecycle-backups": kept,
	"s3-lifecycle-bases":   kept,
	"s3-lifecycle-rto": {
		{nist, "CP-10", "systems are recovered within the time objectives"},
		soc2Backup, doraBackup,
	},
	"s3-lifecycle-noncurrent": {
		nistRetention, isoDeletion,
	},
	"s3-public-access-block": append([]Control{
		{securityHub, "S3.8", "buckets block public access"},
		{securityHub, "S3.1", "accounts block public access"},
		{cis, "2.1.4", "buckets have Block Public Access configured"},
	}, public...),
	"s3-bucket-policy-status": append([]Control{
		{securityHub, "S3.2", "buckets block public read access"},
		{securityHub, "S3.3", "buckets block public write access"},
	}, public...),
	"s3-acl": append([]Control{
		{securityHub, "S3.12", "ACLs do not manage access to buckets"},
	}, public...),
	"s3-object-ownership": {
		{securityHub, "S3.12", "ACLs do not manage access to buckets"},
		nistAccess, isoAccess,
	},
	"s3-website":          public,
	"s3-anonymous-access": public,
	"s3-secure-transport": {
		{securityHub, "S3.5", "buckets require requests to use TLS"},
		{cis, "2.1.1", "bucket policies deny HTTP requests"},
		{nist, "SC-8(1)", "cryptography protects information in transmission"},
		{pci, "4.2.1", "strong cryptography protects card data over public networks"},
		{hipaa, "164.312(e)(1)", "health information is guarded in transmission"},
		{soc2, "CC6.7", "information is protected during transmission"},
		{dora, "Art. 9(3)(a)", "the means of transfer of data are secure"},
	},
	"s3-object-lock": append([]Control{
		{securityHub, "S3.15", "buckets have Object Lock enabled"},
	}, locked...),
	"s3-object-retention": locked,
	"s3-replication": {
		{securityHub, "S3.7", "buckets use cross-Region replication"},
		nistAlternate, soc2Backup,
	},
	"s3-object-replication": {
		nistAlternate, soc2Backup,
	},
	"s3-access-logging": {
		{securityHub, "S3.9", "buckets have server access logging enabled"},
		{nist, "AU-12", "audit records are generated"},
		{pci, "10.2.1", "audit logs are enabled and active"},
		{hipaa, "164.312(b)", "activity in systems with health information is recorded"},
		{iso, "A.8.15", "logs of activities are produced, stored and protected"},
		{soc2, "CC7.2", "system components are monitored for anomalies"},
	},
	"ebs-encryption": {
		{securityHub, "EC2.3", "attached EBS volumes are encrypted at rest"},
		{nist, "SC-28(1)", "information at rest is protected by cryptography"},
		{hipaa, "164.312(a)(2)(iv)", "health information can be encrypted and decrypted"},
		isoCrypto, soc2Access, doraKeys,
	},
	"ebs-key": {
		{securityHub, "KMS.4", "key rotation is enabled"},
		{cis, "3.6", "rotation of customer-managed symmetric keys is enabled"},
		isoCrypto, doraKeys,
	},
	"cloudtrail": {
		{securityHub, "CloudTrail.1", "a trail of all regions logs management events"},
		{securityHub, "CloudTrail.4", "log file validation is enabled"},
		{cis, "3.1", "CloudTrail is enabled in all regions"},
		{cis, "3.2", "log file validation is enabled"},
		{nist, "AU-12", "audit records are generated"},
		{pci, "10.2.1", "audit logs are enabled and active"},
		{hipaa, "164.312(b)", "activity in systems with health information is recorded"},
		{iso, "A.8.15", "logs of activities are produced, stored and protected"},
		{soc2, "CC7.2", "system components are monitored for anomalies"},
	},
	"cloudtrail-data-events": {
		{securityHub, "S3.22", "object-level write events are logged"},
		{securityHub, "S3.23", "object-level read events are logged"},
		{cis, "3.8", "object-level logging of writes is enabled"},
		{cis, "3.9", "object-level logging of reads is enabled"},
		{nist, "AU-12", "audit records are generated"},
		{hipaa, "164.312(b)", "activity in systems with health information is recorded"},
		{iso, "A.8.15", "logs of activities are produced, stored and protected"},
	},
	"iam-restore-rights": least,
	"iam-restore-bucket": least,
	"iam-auditor-rights": least,
}

// controlsOf are the clauses behind the check of this id.
func controlsOf(id string) []Control {
	return slices.Clone(controls[id])
}

// Clauses lists controls in a few words: "AWS Security Hub S3.5, NIST SP 800-53 Rev. 5 SC-8(1)".
func Clauses(list []Control) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

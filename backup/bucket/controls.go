package bucket

import (
	"slices"
	"strings"
)

// Catalogue is a list of controls by others, in the version that the clauses here are of.
type Catalogue struct {
	Standard string `json:"standard"` // its name with its version, as Control.Standard has it
	Version  string `json:"version"`  // the part of the name that dates it
	Text     string `json:"text"`     // address of its own text, or of where that is to be had
	Checked  string `json:"checked"`  // addresses of the public text that the clauses here were held against
	Note     string `json:"note"`     // what a reader has to know of it
}

// The catalogues. A clause is looked up in the public text that Checked names before it is written here.
const (
	securityHub = "AWS Security Hub CSPM (2025)"
	cis         = "CIS AWS Foundations Benchmark v5.0.0"
	nist        = "NIST SP 800-53 Rev. 5"
	pci         = "PCI DSS v4.0.1"
	hipaa       = "HIPAA Security Rule (45 CFR 164, 2019)"
	iso         = "ISO/IEC 27001:2022"
	soc2        = "SOC 2 (TSC 2017)"
	dora        = "DORA (EU) 2022/2554"
)

const (
	hubPages = "https://docs.aws.amazon.com/securityhub/latest/userguide/"
	turbot   = "https://github.com/turbot/steampipe-mod-aws-compliance/tree/main/"
)

var catalogues = []Catalogue{
	{
		Standard: securityHub, Version: "2025", Text: hubPages + "securityhub-controls-reference.html",
		Checked: hubPages + "s3-controls.html, kms-controls.html, cloudtrail-controls.html, ec2-controls.html",
		Note:    "It has no versions of its own: read as of its support of the CIS benchmark v5.0.0. Its pages also tell which clauses of CIS, NIST and PCI DSS AWS sees behind a control.",
	},
	{
		Standard: cis, Version: "v5.0.0", Text: "https://www.cisecurity.org/benchmark/amazon_web_services",
		Checked: hubPages + "cis-aws-foundations-benchmark.html, https://github.com/prowler-cloud/prowler/blob/master/prowler/compliance/aws/cis_5.0_aws.json",
		Note:    "Later versions exist and number otherwise; this is the latest that Security Hub checks.",
	},
	{
		Standard: nist, Version: "Rev. 5", Text: "https://doi.org/10.6028/NIST.SP.800-53r5",
		Checked: "public readings of https://github.com/usnistgov/oscal-content/tree/main/nist.gov/SP800-53/rev5 (release 5.2.0), among them " + turbot + "nist_800_53_rev_5",
		Note:    "Read as of release 5.2.0.",
	},
	{
		Standard: pci, Version: "v4.0.1", Text: "https://www.pcisecuritystandards.org/document_library",
		Checked: turbot + "pci_dss_v40, " + hubPages + "pci-standard.html",
		Note:    "It binds where what Weaviate holds is account data. The text that was read is that of v4.0, which v4.0.1 revised without new requirements.",
	},
	{
		Standard: hipaa, Version: "2019", Text: "https://www.ecfr.gov/current/title-45/part-164/subpart-C",
		Checked: "https://www.govinfo.gov/content/pkg/CFR-2019-title45-vol2/xml/CFR-2019-title45-vol2-sec164-312.xml, " + turbot + "hipaa_security_rule_2003",
		Note:    "It binds where what Weaviate holds is electronic protected health information.",
	},
	{
		Standard: iso, Version: "2022", Text: "https://www.iso.org/standard/27001",
		Checked: "https://github.com/prowler-cloud/prowler/blob/master/prowler/compliance/aws/iso27001_2022_aws.json and other public lists of the controls of Annex A",
		Note:    "The standard itself is sold; the clauses are those of its Annex A.",
	},
	{
		Standard: soc2, Version: "2017", Text: "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022",
		Checked: turbot + "soc_2, and public lists of the points of focus",
		Note:    "The points of focus are those revised in 2022.",
	},
	{
		Standard: dora, Version: "2022/2554", Text: "https://eur-lex.europa.eu/eli/reg/2022/2554/oj",
		Checked: "https://www.dora-info.eu/article-9, https://www.mica.wtf/dora/digital-operational-resilience-act/chapter-ii-ict-risk-management/article-12-backup-policies-and-procedures",
		Note:    "Official Journal L 333 of 27 December 2022. It binds financial entities in the EU.",
	},
}

// Catalogues lists the catalogues whose clauses stand behind checks.
func Catalogues() []Catalogue { return slices.Clone(catalogues) }

// Control is what another catalogue demands, and a check looks at a part of.
type Control struct {
	Standard string `json:"standard"` // one of Catalogues
	Clause   string `json:"clause"`   // such as "2.1.4"
	Reason   string `json:"reason"`   // what the clause asks for, in a phrase
}

func (c Control) String() string { return c.Standard + " " + c.Clause }

// Link is the address of the clause's text, as near as it can be had: the control, the section, or the catalogue.
func (c Control) Link() string {
	switch c.Standard {
	case securityHub: // S3.5 is at s3-controls.html#s3-5
		service, number, _ := strings.Cut(strings.ToLower(c.Clause), ".")
		return hubPages + service + "-controls.html#" + service + "-" + number
	case hipaa: // 164.312(b) is in section 164.312
		section, _, _ := strings.Cut(c.Clause, "(")
		return "https://www.ecfr.gov/current/title-45/section-" + section
	}
	for _, of := range catalogues {
		if of.Standard == c.Standard {
			return of.Text
		}
	}
	return ""
}

// Clauses that several checks look at.
var (
	nistBackup     = Control{nist, "CP-9", "confidentiality, integrity and availability of backups are protected"}
	nistBoundary   = Control{nist, "SC-7", "what is public is separated from what is internal"}
	nistAccess     = Control{nist, "AC-3", "approved authorizations are enforced for access"}
	nistLeast      = Control{nist, "AC-6", "only the accesses that a task needs are granted"}
	nistAlternate  = Control{nist, "CP-6", "backups are kept at an alternate storage site too"}
	nistTransfer   = Control{nist, "CP-9(5)", "backups are transferred to the alternate site in time for the recovery objectives"}
	nistKeys       = Control{nist, "SC-12", "cryptographic keys are established and managed"}
	nistAtRest     = Control{nist, "SC-28(1)", "information at rest is protected by cryptography"}
	nistRetention  = Control{nist, "SI-12", "information is kept as laws and policies ask"}
	nistAudit      = Control{nist, "AU-12", "audit records are generated"}
	nistStatic     = Control{nist, "IA-5(7)", "no unencrypted static authenticator is embedded in applications or their storage"}
	pciReachable   = Control{pci, "1.4.4", "what stores cardholder data is not reached from untrusted networks"}
	pciRetention   = Control{pci, "3.2.1", "storage of account data is limited in time, and it is deleted when that is over"}
	pciStored      = Control{pci, "3.5.1", "stored card numbers are unreadable, as by strong cryptography with managed keys"}
	pciRotation    = Control{pci, "3.7.4", "keys are changed at the end of their cryptoperiod"}
	pciAudit       = Control{pci, "10.2.1", "audit logs are enabled and active"}
	pciReaders     = Control{pci, "10.2.1.1", "audit logs capture which user accesses cardholder data"}
	hipaaAccess    = Control{hipaa, "164.312(a)(1)", "only who was granted access has it"}
	hipaaEncrypted = Control{hipaa, "164.312(a)(2)(iv)", "health information can be encrypted and decrypted"}
	hipaaAudit     = Control{hipaa, "164.312(b)", "activity in systems with health information is recorded"}
	hipaaIntegrity = Control{hipaa, "164.312(c)(1)", "health information is not altered or destroyed improperly"}
	hipaaBackup    = Control{hipaa, "164.308(a)(7)(ii)(A)", "retrievable exact copies are kept"}
	isoAccess      = Control{iso, "A.8.3", "access to information is restricted"}
	isoBackup      = Control{iso, "A.8.13", "backup copies are maintained and tested"}
	isoCrypto      = Control{iso, "A.8.24", "cryptography and its keys are used by defined rules"}
	isoDeletion    = Control{iso, "A.8.10", "information is deleted when it is no longer required"}
	isoLogging     = Control{iso, "A.8.15", "logs of activities are produced, stored and protected"}
	soc2Access     = Control{soc2, "CC6.1", "logical access, encryption and keys protect information assets"}
	soc2Outside    = Control{soc2, "CC6.6", "logical access is protected against threats from outside"}
	soc2Disposal   = Control{soc2, "C1.2", "confidential information is disposed of"}
	soc2Backup     = Control{soc2, "A1.2", "data backup processes and recovery infrastructure are designed and maintained"}
	doraAccess     = Control{dora, "Art. 9(4)(c)", "access is limited to what is required"}
	doraLoss       = Control{dora, "Art. 9(3)(c)", "breaches of confidentiality and the loss of data are prevented"}
	doraBackup     = Control{dora, "Art. 12(1)", "backups make it possible to restore with little downtime and loss"}
	doraKeys       = Control{dora, "Art. 9(4)(d)", "data is encrypted, and cryptographic keys are protected"}

	hubRotation = Control{securityHub, "KMS.4", "key rotation is enabled"}
	hubDeletion = Control{securityHub, "KMS.3", "KMS keys are not scheduled for deletion"}
	hubACL      = Control{securityHub, "S3.12", "ACLs do not manage access to buckets"}
	cisRotation = Control{cis, "3.6", "rotation of customer-created symmetric keys is enabled"}

	least = []Control{
		nistLeast,
		{pci, "7.2.5", "application accounts have the least privileges that they need"},
		isoAccess,
		{soc2, "CC6.3", "access is given by least privilege and segregation of duties"},
		doraAccess,
	}
	public    = []Control{nistAccess, nistBoundary, pciReachable, hipaaAccess, isoAccess, soc2Access, soc2Outside, doraAccess}
	encrypted = []Control{
		nistAtRest,
		{nist, "CP-9(8)", "backups are protected by cryptography"},
		hipaaEncrypted, isoCrypto, soc2Access, doraKeys,
	}
	kept   = []Control{nistBackup, hipaaBackup, isoBackup, soc2Backup, doraBackup}
	locked = []Control{
		nistBackup, hipaaIntegrity,
		{iso, "A.5.33", "records are protected from loss, destruction and falsification"},
		soc2Backup, doraLoss,
	}
	retention = []Control{nistRetention, pciRetention, isoDeletion, soc2Disposal}
	static    = []Control{nistStatic, soc2Access}
)

// controls are the clauses behind each check, by its id. A clause stands here only when its own text asks for what the check looks at; that a check passes is never all that a clause asks for.
var controls = map[string][]Control{
	"s3-default-encryption": encrypted,
	"s3-object-encryption":  encrypted,
	"s3-customer-key": {
		{securityHub, "S3.17", "buckets are encrypted with AWS KMS keys"},
		nistKeys, pciStored, isoCrypto, soc2Access, doraKeys,
	},
	"s3-key-state":    {hubDeletion, nistKeys, nistBackup, hipaaBackup, isoBackup, doraLoss},
	"s3-key-rotation": {hubRotation, cisRotation, nistKeys, pciRotation, isoCrypto, doraKeys},
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
		nistRetention, pciRetention,
	},
	"s3-lifecycle-backups": kept,
	"s3-lifecycle-bases":   kept,
	"s3-lifecycle-rto": {
		{nist, "CP-10", "systems are recovered within the time objectives"},
		soc2Backup, doraBackup,
		{dora, "Art. 12(6)", "time objectives for recovery are set, and met in extreme scenarios"},
	},
	"s3-lifecycle-noncurrent": retention,
	"s3-lifecycle-idle":       retention,
	"s3-public-access-block": append([]Control{
		{securityHub, "S3.8", "buckets block public access"},
		{securityHub, "S3.1", "accounts block public access"},
		{cis, "2.1.4", "buckets have Block Public Access configured"},
	}, public...),
	"s3-bucket-policy-status": append([]Control{
		{securityHub, "S3.2", "buckets block public read access"},
		{securityHub, "S3.3", "buckets block public write access"},
	}, public...),
	"s3-bucket-policy-accounts": {
		{securityHub, "S3.6", "bucket policies let no other account change permissions or encryption"},
		nistAccess, nistLeast, hipaaAccess, isoAccess, soc2Access, doraAccess,
	},
	"s3-bucket-policy-network": {
		{nist, "SC-7", "communications at external interfaces are controlled"},
		pciReachable, soc2Outside,
	},
	"s3-acl": append([]Control{
		{securityHub, "S3.2", "buckets block public read access"},
		{securityHub, "S3.3", "buckets block public write access"},
		hubACL,
	}, public...),
	"s3-object-ownership": {hubACL, nistAccess, isoAccess, soc2Access},
	"s3-access-points": append([]Control{
		{securityHub, "S3.19", "access points block public access"},
	}, public...),
	"s3-website": public,
	"s3-anonymous-access": append([]Control{
		{securityHub, "S3.2", "buckets block public read access"},
	}, public...),
	"s3-secure-transport": {
		{securityHub, "S3.5", "buckets require requests to use TLS"},
		{cis, "2.1.1", "bucket policies deny HTTP requests"},
		{nist, "SC-8(1)", "cryptography protects information in transmission"},
		{pci, "4.2.1", "strong cryptography protects card data over public networks"},
		{hipaa, "164.312(e)(1)", "health information is guarded in transmission"},
		isoCrypto,
		{soc2, "CC6.7", "information is protected during transmission"},
		{dora, "Art. 9(3)(a)", "the means of transfer of data are secure"},
	},
	"s3-object-lock": append([]Control{
		{securityHub, "S3.15", "buckets have Object Lock enabled"},
	}, locked...),
	"s3-object-retention": locked,
	"s3-replication": {
		{securityHub, "S3.7", "buckets are replicated to another Region"},
		nistAlternate, nistTransfer, soc2Backup,
	},
	"s3-object-replication": {nistAlternate, nistTransfer, soc2Backup},
	"s3-access-logging": {
		{securityHub, "S3.9", "buckets have server access logging enabled"},
		nistAudit, pciAudit, pciReaders, hipaaAudit, isoLogging,
	},
	"ebs-encryption": {
		{securityHub, "EC2.3", "attached EBS volumes are encrypted at rest"},
		nistAtRest, hipaaEncrypted, isoCrypto, soc2Access, doraKeys,
	},
	"ebs-key": {hubDeletion, hubRotation, cisRotation, nistKeys, pciRotation, isoCrypto, soc2Access, doraKeys},
	"cloudtrail": {
		{securityHub, "CloudTrail.1", "a trail of all Regions logs management events"},
		{securityHub, "CloudTrail.4", "log file validation is enabled"},
		{cis, "3.1", "CloudTrail is enabled in all Regions"},
		{cis, "3.2", "log file validation is enabled"},
		nistAudit,
		{nist, "AU-9(3)", "cryptography protects the integrity of audit information"},
		pciAudit, hipaaAudit, isoLogging,
	},
	"cloudtrail-data-events": {
		{securityHub, "S3.22", "object-level writes are logged, of all buckets"},
		{securityHub, "S3.23", "object-level reads are logged, of all buckets"},
		{cis, "3.8", "object-level logging of writes is enabled"},
		{cis, "3.9", "object-level logging of reads is enabled"},
		nistAudit, pciAudit, pciReaders, hipaaAudit, isoLogging,
	},
	"iam-tool-identity":   static,
	"iam-source-identity": static,
	"iam-restore-rights":  least,
	"iam-restore-bucket":  least,
	"iam-auditor-rights":  least,
}

// unclaimed says of each check without a clause why no catalogue has one.
var unclaimed = map[string]string{
	"s3-bucket-key":          "it is about what calls to KMS cost, and how many there may be",
	"s3-lifecycle-multipart": "it is about what is paid for",
	"s3-expected-owner":      "they ask who may use a bucket, not whose bucket a client uses",
}

// controlsOf are the clauses behind the check of this id.
func controlsOf(id string) []Control {
	return slices.Clone(controls[id])
}

// Clauses lists controls in a few words: "AWS Security Hub CSPM (2025) S3.5, NIST SP 800-53 Rev. 5 SC-8(1)".
func Clauses(list []Control) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

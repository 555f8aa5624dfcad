"""Every figure the node counts, in one place; `GET /metrics` shows them in Prometheus' format.

Names follow Prometheus' rules (unit as suffix, `_total` for counters); labels come from closed lists only, so that
nobody outside can grow them.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

connections = Counter("waxseal_connections_total", "Connections taken.", ["server"])
connections_open = Gauge("waxseal_connections_open", "Connections open now.", ["server"])
connections_refused = Counter("waxseal_connections_refused_total", "Connections over a limit.", ["server"])
connection_crashes = Counter("waxseal_connection_crashes_total", "Connections ended by an error of ours.", ["server"])

messages = Counter("waxseal_messages_total", "Messages decided, by way in and result.", ["way", "result"])
message_bytes = Counter("waxseal_message_bytes_total", "Octets of accepted messages.", ["way"])
recipients_refused = Counter("waxseal_recipients_refused_total", "Recipients refused at RCPT.", ["reason"])
verdict_seconds = Histogram(
    "waxseal_verdict_seconds",
    "Time the classifier took for a message.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
verdicts = Counter("waxseal_verdicts_total", "Messages by the classifier's label.", ["label"])
verdict_stages = Counter("waxseal_verdict_stages_total", "Verdicts by who decided.", ["stage"])
verdict_classes = Counter("waxseal_verdict_classes_total", "Messages that probably are of a class.", ["name"])
verdicts_waiting = Gauge("waxseal_verdicts_waiting", "Messages that wait for the classifier.")
lessons = Counter("waxseal_lessons_total", "Lessons kept, by who gave them.", ["source", "label"])
heads = Counter("waxseal_heads_total", "Heads that followed new lessons and are in use since.", ["whose"])
learned = Counter("waxseal_learned_total", "Verdicts that a head turned round.", ["whose", "change"])
check_seconds = Histogram(
    "waxseal_check_seconds",
    "Time a further opinion took.",
    ["check"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
check_answers = Counter(
    "waxseal_check_answers_total", "Further opinions, by what was said or why not.", ["check", "result"]
)
check_breaker = Gauge("waxseal_check_breaker", "Circuit breaker: 0 closed, 1 half-open, 2 open.", ["check"])
delivery_seconds = Histogram(
    "waxseal_commit_seconds",
    "Time from the whole content to the commit on disk.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
dns_answers = Counter("waxseal_dns_answers_total", "Questions of message authentication, by answer.", ["result"])
authentications = Counter(
    "waxseal_authentications_total", "Results of message authentication, by method.", ["method", "result"]
)
threats = Counter("waxseal_threats_total", "Messages judged a threat, by what became of them.", ["result"])
held = Counter("waxseal_held_total", "Messages held back, and what became of them on this node.", ["result"])
held_messages = Gauge("waxseal_held_messages", "Messages held back now, counted hourly.")
sending_deferred = Counter(
    "waxseal_sending_deferred_total", "Submissions told to wait, by how far sending was restricted.", ["step"]
)
security_events = Counter("waxseal_security_events_total", "Security events of accounts.", ["kind"])
logins = Counter("waxseal_logins_total", "Logins by protocol and result.", ["scope", "result"])
blocked_networks = Gauge("waxseal_blocked_networks", "Networks shut out from logging in now.")
network_blocks = Counter("waxseal_network_blocks_total", "Networks shut out since the start.")
signups = Counter("waxseal_signups_total", "Mailboxes people opened by themselves, or why not.", ["result"])
oauth_answers = Counter(
    "waxseal_oauth_answers_total", "Answers of the token endpoint, by what was brought.", ["kind", "result"]
)
gate_checks = Counter("waxseal_gate_checks_total", "Token gates asked at logins and for open sessions.", ["result"])
gate_letters = Counter("waxseal_gate_letters_total", "Gates for writing asked about letters.", ["result"])
sessions_ended = Counter("waxseal_sessions_ended_total", "Open sessions ended, by what was lost.", ["reason"])
chain_requests = Counter("waxseal_chain_requests_total", "Batches of questions to chains.", ["chain", "outcome"])
chain_replaced = Counter("waxseal_chain_replaced_total", "Stuck transactions replaced by dearer ones.", ["chain"])
chain_reorganisations = Counter("waxseal_chain_reorganisations_total", "Heads that were replaced.", ["chain"])
ens_lookups = Counter("waxseal_ens_lookups_total", "ENS names looked up for recipients, by result.", ["result"])
did_fetches = Counter(
    "waxseal_did_fetches_total", "DID documents and status lists fetched, by result.", ["what", "result"]
)
linked_proofs = Counter("waxseal_linked_proofs_total", "Embedded proofs of credentials checked by didkit.", ["result"])
wallet_questions = Counter("waxseal_wallet_questions_total", "Chains asked about contract wallets.", ["result"])
offloaded_bytes = Counter("waxseal_offloaded_bytes_total", "Octets of attachments moved to the block store.")
deduplicated_bytes = Counter(
    "waxseal_deduplicated_bytes_total", "Octets of attachments that were there already, of the same tenant."
)
offload_failures = Counter("waxseal_offload_failures_total", "Attachments that stayed in the message for now.")
gateway_requests = Counter("waxseal_gateway_requests_total", "Requests to /ipfs, by status.", ["status"])
gateway_bytes = Counter("waxseal_gateway_bytes_total", "Octets of blocks given to peers by /ipfs.")
links_made = Counter("waxseal_links_made_total", "Attachments sent as links.")
link_failures = Counter("waxseal_link_failures_total", "Messages sent whole because their links could not be made.")
link_downloads = Counter("waxseal_link_downloads_total", "Downloads begun on link pages, or refused.", ["result"])
block_reads = Counter(
    "waxseal_block_reads_total", "Blocks read, by where they were: local, remote, nowhere.", ["where"]
)
block_read_bytes = Counter("waxseal_block_read_bytes_total", "Octets of blocks read.", ["where"])
block_fetch_failures = Counter(
    "waxseal_block_fetch_failures_total", "Blocks that a replica or gateway was asked for in vain.", ["source"]
)
blocks_repaired = Counter("waxseal_blocks_repaired_total", "Missing or damaged blocks fetched and written again.")
replicas_waiting = Gauge("waxseal_replicas_waiting", "Sealed trees that a place does not hold yet.", ["place"])
replica_oldest = Gauge("waxseal_replica_oldest_seconds", "How long the oldest of them has waited.", ["place"])
replica_answers = Counter(
    "waxseal_replica_answers_total", "What came of sending trees to a place.", ["place", "result"]
)
audit_events = Counter("waxseal_audit_events_total", "Events written into the audit trail.", ["kind"])
anchors = Counter("waxseal_anchors_total", "Log heads and chains, by what happened.", ["chain", "result"])
anchor_waiting = Gauge("waxseal_anchor_waiting", "Leaves of the log that the chain does not hold yet.", ["chain"])
anchor_oldest = Gauge("waxseal_anchor_oldest_seconds", "How long the oldest of them has waited.", ["chain"])
anchor_last = Gauge("waxseal_anchor_last_timestamp_seconds", "Time of the newest anchor's block.", ["chain"])
anchor_provisional = Gauge("waxseal_anchor_provisional", "Anchors that wait for confirmations.", ["chain"])
anchor_gas = Counter("waxseal_anchor_gas_total", "Gas that anchors used.", ["chain"])
anchor_fees = Counter("waxseal_anchor_fees_total", "What that cost, in whole coins of the chain.", ["chain"])
publications = Counter("waxseal_publications_total", "Keys and policies put on chains beside log heads.", ["kind"])
log_packs = Counter("waxseal_log_packs_total", "Packs of full tiles that moved into files.")
log_damages = Counter("waxseal_log_damages_total", "Packs of the log found damaged, by what was done.", ["result"])
cosignatures = Counter("waxseal_cosignatures_total", "Witnesses asked to cosign our checkpoints.", ["result"])
cosigned_size = Gauge("waxseal_cosigned_size", "Entries in our newest checkpoint that a quorum of witnesses cosigned.")
witness_answers = Counter("waxseal_witness_answers_total", "Answers to logs that ask us to cosign.", ["status"])
log_forks = Counter("waxseal_log_forks_total", "Checkpoints seen that contradict another one of the same log.")
monitor_findings = Counter("waxseal_monitor_findings_total", "What a monitor found wrong with logs.", ["kind"])
monitored_size = Gauge("waxseal_monitored_size", "Entries of a followed log whose history was verified.", ["origin"])
monitored_forks = Gauge("waxseal_monitored_forks", "Evidence of forks held against a followed log.", ["origin"])
dkim_signed = Counter("waxseal_dkim_signed_total", "Submissions signed with DKIM, or why not.", ["result"])
spool_entries = Gauge("waxseal_spool_entries", "Recipients waiting for delivery to the outside.")

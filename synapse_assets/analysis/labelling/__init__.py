"""Which items people are asked to label next, in which order they come, what follows from the answers, and what labels gain.

Belongs here: query strategies (`strategies`, `two_stream`), batches as a person wants them (`batches`), where a map is unsure
(`uncertainty`), strategies against a simulated annotator (`simulated`, `benchmark`), what a round gained and when labelling may stop
(`stopping`, `site_gain`), what is decided from answers (`decisions`), how far people agree (`agreement`), labels that look wrong
(`errors`). Does not belong here: reading pools and writing answers (`pipeline`, `stores`), training what gives the vectors (`vision`),
pages (`explorer`).
"""

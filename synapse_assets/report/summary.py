"""What a reader in a hurry reads: a few sentences with the numbers that matter, and what limits how far to trust them."""

from synapse_assets.report.content import Block, Text
from synapse_assets.report.release import Release

# Tables that must be there, the section with more, and the query that gives the sentence.
_SENTENCES = (
    (
        ("synapses", "synapse_labels"),
        "coverage",
        """select format('The release has {:,} synapses in {:,} brain regions{}; the class of {:,} is known ({} classes).', count(*),
    count(distinct brain_region), case when count(neuron_id) > 0 then format(', of {:,} neurons', count(distinct neuron_id)) else '' end,
    count(target), count(distinct target)) from labelled_synapses""",
    ),
    (
        ("synapses", "workbooks"),
        "coverage",
        """select format('The release has {:,} synapses of {:,} neurons from {:,} workbooks.', count(*), count(distinct neuron_id),
    (select count(*) from workbooks)) from synapses""",
    ),
    (
        ("images", "plates"),
        "coverage",
        """select format('The release has {:,} pictures from {:,} plates, of which {:,} are used.', count(*), count(distinct plate),
    count(*) filter (usable)) from images""",
    ),
    (
        ("volume_blocks", "probability_maps"),
        "coverage",
        """select format('{:,} of {:,} blocks of {:,} volumes have maps.', (select count(distinct block) from probability_maps), count(*),
    count(distinct volume)) from volume_blocks""",
    ),
    (
        ("alignment",),
        "alignment",
        """select format('The coordinates of {:,} of {:,} sources fit the pictures.', count(*) filter (verdict = 'fits'), count(*))
from alignment where reading = 'as given'""",
    ),
    (
        ("retrieval_scorecard",),
        "vectors",
        """with scored as (select *, row_number() over (partition by encoder = 'raw pixels' order by value desc) as place
    from retrieval_scorecard where label = 'class' and score = 'k-NN balanced accuracy' and metric = 'cosine'
        and (role = 'in use' or encoder = 'raw pixels'))
select format('A vote of the 10 nearest neighbours by the vectors in use names {:.2f} of each class correctly, by raw pixels {:.2f}.',
    max(value) filter (role = 'in use'), max(value) filter (encoder = 'raw pixels')) from scored where place = 1
having count(*) = 2""",
    ),
    (
        ("clusters",),
        "clusters",
        """with verdict as (select content->>'$.scores.cluster_model.verdict' as word from release)
select format('There are {:,} clusters, and the clustering is {}.', count(distinct cluster) filter (cluster >= 0),
    (select word from verdict))
from clusters where (select word from verdict) is not null""",
    ),
    (
        ("cluster_stability",),
        "clusters",
        """select format('Of {:,} investigation groups, the clusters of {:,} are stable, of {:,} fragile, and of {:,} not distinguishable '
    'from noise.', count(*), count(*) filter (verdict = 'stable'), count(*) filter (verdict = 'fragile'),
    count(*) filter (verdict = 'not distinguishable from noise')) from cluster_stability""",
    ),
    (
        ("splits",),
        "classifiers",
        """with scored as (select content->'$.scores.synapse_classifier' as s from release)
select format('On groups that it never saw the classifier has a balanced accuracy of {:.2f} ({}; {:.0f} groups); '
    'a random split would claim {:.2f}.', (s->>'$.balanced_accuracy')::double,
    coalesce(format('95 % interval {:.2f} to {:.2f}', (s->>'$.balanced_accuracy_low')::double, (s->>'$.balanced_accuracy_high')::double),
        'no interval: below 8 groups'), (s->>'$.groups')::double, (s->>'$.balanced_accuracy_random')::double)
from scored where s->>'$.balanced_accuracy' is not null""",
    ),
    (
        ("stain_scores",),
        "classifiers",
        """select format('The best of {:,} classifiers tells whole pictures apart with a balanced accuracy of {:.2f} ({}) '
    'where {} are held out.',
    count(distinct classifier), max(value), coalesce(format('95 % interval {:.2f} to {:.2f}', arg_max(low, value), arg_max(high, value)),
        'no interval: below 8 wells'), arg_max(split, value) || 's')
from stain_scores where level = 'image' and score = 'balanced_accuracy' and class_name is null and split <> 'random_crops'
having count(value) > 0""",
    ),
    (
        ("detector_scores",),
        "classifiers",
        """select format('With {} held out, F1 of {} is {:.2f} ({}).', replace(split, '_', ' '), target, value,
    coalesce(format('95 % interval {:.2f} to {:.2f}', low, high), 'no interval'))
from detector_scores where measure = 'f1' and objects = 'all' and split <> 'next_sections' order by target, detector limit 3""",
    ),
)

# Tables that must be there, and the query that gives sentences, and whether each is serious.
_CAUTIONS = (
    (
        ("alignment",),
        """select format('The coordinates of source {}: {}', source, sentence) as sentence, verdict = 'contradicted' as serious
from alignment where reading = 'as given' and verdict in ('cannot tell', 'contradicted') order by source""",
    ),
    (
        ("clusters",),
        """with verdict as (select content->>'$.scores.cluster_model.verdict' as word from release)
select format('The clustering is {}: do not take clusters for kinds of synapses.', word) as sentence,
    word = 'not distinguishable from noise' as serious
from verdict where word <> 'stable'""",
    ),
    (
        ("cluster_stability",),
        """select format('Investigation group {}: its clusters are {}.', investigation_group, verdict) as sentence,
    verdict = 'not distinguishable from noise' as serious
from cluster_stability where verdict <> 'stable' order by investigation_group""",
    ),
    (
        ("splits",),
        """with scored as (select content->'$.scores.synapse_classifier' as s from release),
v as (select (s->>'$.balanced_accuracy')::double as value, (s->>'$.balanced_accuracy_low')::double as low,
    (s->>'$.classes')::double as classes,
    (s->>'$.groups')::double as groups, (s->>'$.balanced_accuracy_random')::double as random from scored)
select format('The classifier is not better than guessing beyond chance: {:.2f} with {:.0f} classes.', value, classes) as sentence,
    true as serious from v where coalesce(low, value) <= 1 / classes
union all select format('The score of the classifier rests on {:.0f} groups; below 8 it has no interval.', groups), false
from v where groups < 8
union all select format('A random split would claim {:.2f} more than the classifier reaches on groups that it never saw.',
    random - value), false
from v where random - value > 0.05""",
    ),
    (
        ("leakage_report",),
        """select sentence, false as serious from leakage_report
where probe not in ('class', 'class_gap', 'neuron') and sentence like '%can be read%' order by probe, split""",
    ),
    (
        ("explanation_checks",),
        """select format('Of {:,} pairs of classifier and method of explanation, {:,} are not trustworthy.', count(*),
    count(*) filter (verdict <> 'trustworthy')) as sentence, false as serious
from (select distinct classifier, method, verdict from explanation_checks) having count(*) filter (verdict <> 'trustworthy') > 0""",
    ),
    (
        ("drift",),
        """select format('A refit is advised: {} ({}).', brain_region, reason) as sentence, false as serious
from drift where refit_advised order by brain_region limit 5""",
    ),
    (
        ("images",),
        """select format('{:,} of {:,} pictures are not used: {}.', count(*) filter (not usable), count(*),
    string_agg(distinct regexp_replace(why_not, '[^ ]*/', '', 'g'), '; ' order by regexp_replace(why_not, '[^ ]*/', '', 'g'))
        filter (not usable)) as sentence, false as serious
from images having count(*) filter (not usable) > 0""",
    ),
    (
        ("volume_blocks", "probability_maps"),
        """select format('{:,} of {:,} blocks have no map yet: nothing was searched for there.', count(*),
    (select count(*) from volume_blocks))
    as sentence, false as serious
from volume_blocks where block not in (select block from probability_maps) having count(*) > 0""",
    ),
)


def summary(release: Release) -> list[Block]:
    """What the release is of, and the sentences."""
    dataset = release.dataset
    blocks: list[Block] = [Text(dataset.description)]
    for tables, see, query in _SENTENCES:
        if release.has(*tables):
            blocks += release.sentences(query, see)
    return blocks


def limits(release: Release) -> list[Block]:
    """What in this release is red or amber."""
    found: list[Block] = [
        each for tables, query in _CAUTIONS if release.has(*tables) for each in release.cautions(query)
    ]
    lead = (
        "Computed from the release: red is what contradicts a use of the results, amber what limits it. "
        "A check that is not listed found nothing."
        if found
        else "No check of the release found anything that limits its use; what no check asks is not covered."
    )
    return [Text(lead), *sorted(found, key=lambda each: not getattr(each, "serious", False))]

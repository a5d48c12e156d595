"""What running a dataset takes, known before it is run: what there is to do is counted (`workload.py`), rates are measured on this machine
(`rates.py`), and `forecast.py` computes hours, storage and money from both, on one machine or on a cluster.
"""

"""What papers printed, and what one gets: tables of published results, run again.

`nets` trains many small nets of one kind side by side, `carried` runs their cells, `results` keeps what is finished,
and each other file has one row or more of the table: the paper's task, sizes and criterion, and what differs here.
"""

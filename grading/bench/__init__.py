"""`make bench`: what the suite costs, as ratios within one run, written into grading/README.md.

Processes that are compared one by one are started in turn, A B A B …; the median counts. Commands that grade a class
are started once: the class is what evens out.
"""

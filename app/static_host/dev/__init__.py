"""``static-host dev``: a front that watches files, with one worker that is loaded anew.

May import every room but `cli`.
"""

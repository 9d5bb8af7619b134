"""Who speaks when: diarization, labels on the words of transcripts, RTTM, and the error rate of it."""

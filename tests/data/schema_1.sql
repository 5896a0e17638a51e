CREATE TABLE cell ( id TEXT NOT NULL, session_id TEXT NOT NULL, seq INTEGER NOT NULL, started_at FLOAT NOT NULL, wall_s FLOAT NOT NULL, outcome TEXT NOT NULL, notebook TEXT, project TEXT, cell_id TEXT, execution_count INTEGER, code_hash TEXT, label TEXT, error_type TEXT, parent_id TEXT, PRIMARY KEY (id), FOREIGN KEY(session_id) REFERENCES session (id) );
CREATE INDEX cell_of_notebook ON cell (notebook, started_at);
CREATE INDEX cell_of_project ON cell (project, started_at);
CREATE INDEX cell_of_session ON cell (session_id, seq);
CREATE TABLE figure ( cell_id TEXT NOT NULL, name TEXT NOT NULL, device TEXT DEFAULT '' NOT NULL, value FLOAT, provenance_id TEXT NOT NULL, PRIMARY KEY (cell_id, name, device), FOREIGN KEY(cell_id) REFERENCES cell (id), FOREIGN KEY(provenance_id) REFERENCES provenance (id) ) WITHOUT ROWID;
CREATE TABLE migration ( number INTEGER NOT NULL, name TEXT NOT NULL, applied_at FLOAT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (number) );
CREATE TABLE open_window ( id TEXT NOT NULL, session_id TEXT NOT NULL, updated_at FLOAT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (id) );
CREATE TABLE provenance ( id TEXT NOT NULL, method TEXT, source TEXT, uncertainty FLOAT, reason TEXT, absent BOOLEAN NOT NULL, PRIMARY KEY (id) );
CREATE TABLE session ( id TEXT NOT NULL, started_at FLOAT NOT NULL, host TEXT NOT NULL, user TEXT NOT NULL, pid INTEGER NOT NULL, pid_started_at FLOAT NOT NULL, notebook TEXT, project TEXT, environment TEXT NOT NULL, PRIMARY KEY (id) );
